/** Bytes from elsewhere: signatures and layers of images that are made to break their readers. */
import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { isSignedBy, publicKeyOf } from "../../src/config/module-signature.ts";
import { moduleOf, parseImage } from "../../src/main/oci-image.ts";
import { registryLogin } from "../../src/main/registry-auth.ts";
import { tarOf } from "../harness/code-server.ts";
import { signedAsCppHost, signedAsToolConventions, TestKey } from "../harness/signed-modules.ts";

const MODULE = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0]);
const key = new TestKey();
const keys = [publicKeyOf(key.publicKey)].filter((each) => each !== null);

test("any change of a signed module undoes its signature, and nothing throws", () => {
  for (const sign of [signedAsCppHost, signedAsToolConventions]) {
    const signed = sign(MODULE, key);
    assert.equal(isSignedBy(signed, keys), true);
    for (let at = 8; at < signed.length; at++) {
      for (const bit of [1, 0x80]) {
        const changed = Buffer.from(signed);
        changed[at] = (changed[at] ?? 0) ^ bit;
        assert.equal(isSignedBy(changed, keys), false, `${sign.name}, byte ${at}`);
      }
      assert.equal(isSignedBy(signed.subarray(0, at), keys), false, `cut at ${at}`);
    }
  }
});

test("no bytes without a signature are signed", () => {
  const header = [...MODULE.subarray(0, 8)];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assert.equal(isSignedBy(bytes, keys), false);
      assert.equal(isSignedBy(Uint8Array.from([...header, ...bytes]), keys), false);
    }),
  );
});

test("a layer gives a module or says why not", () => {
  const tar = tarOf("a/plugin.wasm", MODULE);
  assert.deepEqual(Buffer.from(moduleOf(tar)), MODULE);
  fc.assert(
    fc.property(
      fc.nat({ max: tar.length }),
      fc.nat({ max: 511 }),
      fc.nat(255),
      (cut, at, value) => {
        const changed = Buffer.from(tar.subarray(0, cut));
        if (at < cut) changed[at] = value;
        try {
          assert.ok(moduleOf(changed).byteLength <= changed.length);
        } catch (error) {
          assert.ok(
            error instanceof Error &&
              /no \.wasm file|header|unexpected|incorrect/.test(error.message),
          );
        }
      },
    ),
  );
});

test("an address is an image or not, never something else's path", () => {
  assert.deepEqual(parseImage("oci://r.test:5000/a/b:v1"), {
    registry: "r.test:5000",
    repository: "a/b",
    reference: "v1",
  });
  const digest = `sha256:${"a".repeat(64)}`;
  assert.equal(parseImage(`oci://r/a:v1@${digest}`)?.reference, digest);
  assert.equal(parseImage("oci://r/a")?.reference, "latest");
  for (const bad of [
    "oci://r",
    "oci:///a",
    "http://r/a",
    "oci://r/a?b",
    "oci://r/a:v 1",
    "oci://r/a@x",
  ]) {
    assert.equal(parseImage(bad), null, bad);
  }
});

test("a file of registry passwords gives a login or a sentence that shows none of it", () => {
  const path = join(mkdtempSync(join(tmpdir(), "granary-auth-")), "config.json");
  const entry = fc.oneof(
    fc.record({ auth: fc.oneof(fc.base64String(), fc.string(), fc.integer()) }),
    fc.record({ username: fc.string(), password: fc.oneof(fc.string(), fc.constant(null)) }),
    fc.anything(),
  );
  const file = fc.oneof(
    fc.record({ auths: fc.dictionary(fc.constantFrom("r", "https://r/v1/", "x"), entry) }),
    fc.json().map((text) => JSON.parse(text)),
  );
  fc.assert(
    fc.property(file, (content) => {
      writeFileSync(path, JSON.stringify(content) ?? "");
      const login = registryLogin(path, "r");
      assert.ok(login === null || /^[A-Za-z0-9+/]+={0,2}$/.test(login));
    }),
  );
  for (const broken of ['{"auths": {"r": {"auth": "c2VjcmV0"', "", "\0", "[".repeat(100_000)]) {
    writeFileSync(path, broken);
    assert.throws(() => registryLogin(path, "r"), /config\.json cannot be read: (?!.*c2Vj)/);
  }
  assert.equal(registryLogin("", "r"), null);
});
