/** `verify_signature` and `sign`. Statuses and texts are what Envoy 1.40 answers. */
import assert from "node:assert/strict";
import { generateKeyPairSync, sign, verify } from "node:crypto";
import { describe, it } from "node:test";
import { type WireField, WireMessage, wireMessage } from "../../../src/abi/protobuf-wire.ts";
import { inPhase } from "../guest.ts";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const ed = generateKeyPairSync("ed25519");
type Pair = typeof rsa;

const TEXT = Buffer.from("the signed text");
const spki = (pair: Pair) => pair.publicKey.export({ type: "spki", format: "der" });
const pkcs8 = (pair: Pair) => pair.privateKey.export({ type: "pkcs8", format: "der" });
const publicPem = String(rsa.publicKey.export({ type: "spki", format: "pem" }));
const privatePem = String(rsa.privateKey.export({ type: "pkcs8", format: "pem" }));

function foreign(name: string, args: Uint8Array) {
  const { status, text } = inPhase("proxy_on_request_headers", (guest) =>
    guest.fetch("proxy_call_foreign_function", ...guest.put(name), ...guest.put(args)),
  );
  const message = WireMessage.read(Buffer.from(text ?? "", "latin1"));
  assert.ok(message);
  return { status, message };
}

/** `<status> <result> <error>`. */
function verified(fields: readonly WireField[]): string {
  const { status, message } = foreign("verify_signature", wireMessage(fields));
  return `${status} ${message.bool(1)} ${message.text(2)}`.trim();
}

const signature = (hash: string, pair: Pair): Uint8Array => sign(hash, TEXT, pair.privateKey);
const NOT_VERIFIED = "0 false Failed to verify digest. Error code: 0";
const NO_VERIFIER = "0 false Failed to initialize digest verify.";

describe("foreign function verify_signature", () => {
  it("verifies RSA and ECDSA over each hash", () => {
    for (const hash of ["sha1", "sha224", "sha256", "sha384", "sha512", "SHA256"]) {
      for (const pair of [rsa, ec as Pair]) {
        const made = signature(hash.toLowerCase(), pair);
        const got = verified([
          [1, hash],
          [2, spki(pair)],
          [3, made],
          [4, TEXT],
        ]);
        assert.equal(got, "0 true", hash);
      }
    }
  });

  it("takes the key as PEM", () => {
    const made = signature("sha256", rsa);
    const got = verified([
      [1, "sha256"],
      [3, made],
      [4, TEXT],
      [5, publicPem],
    ]);
    assert.equal(got, "0 true");
  });

  it("says OK with false for a signature that does not fit", () => {
    const made = signature("sha256", rsa);
    const bad: [Uint8Array, Uint8Array][] = [
      [made, Buffer.from("another text")],
      [made.subarray(1), TEXT],
      [new Uint8Array(0), TEXT],
    ];
    for (const [bytes, text] of bad) {
      const got = verified([
        [1, "sha256"],
        [2, spki(rsa)],
        [3, bytes],
        [4, text],
      ]);
      assert.equal(got, NOT_VERIFIED);
    }
  });

  it("says OK with an error for a hash or a key that cannot be used", () => {
    const rest: WireField[] = [
      [3, signature("sha256", rsa)],
      [4, TEXT],
    ];
    const key: WireField = [2, spki(rsa)];
    assert.equal(verified([[1, "MD5"], key, ...rest]), "0 false MD5 is not supported.");
    assert.equal(verified([key, ...rest]), "0 false  is not supported.");
    const keys: WireField[] = [
      [2, Buffer.from("garbage")],
      [2, pkcs8(rsa)],
      [2, spki(ed as Pair)],
      [2, Buffer.concat([spki(rsa), Buffer.alloc(9_000)])],
      [5, "-----BEGIN PUBLIC KEY-----\nxx\n-----END PUBLIC KEY-----\n"],
      [5, privatePem],
    ];
    for (const bad of keys) assert.equal(verified([[1, "sha256"], bad, ...rest]), NO_VERIFIER);
  });

  it("answers BadArgument for no key, two keys, and bytes that are no message", () => {
    const hash: WireField = [1, "sha256"];
    const both: WireField[] = [hash, [2, spki(rsa)], [5, publicPem]];
    const bad = [
      wireMessage([hash]),
      wireMessage(both),
      Buffer.alloc(0),
      Buffer.from("ffffffff", "hex"),
      wireMessage([
        [1, Uint8Array.of(0xff)],
        [2, spki(rsa)],
      ]),
    ];
    for (const args of bad) assert.equal(foreign("verify_signature", args).status, 2);
  });
});

describe("foreign function sign", () => {
  it("signs with a key as DER and as PEM", () => {
    const keys: WireField[] = [
      [2, pkcs8(rsa)],
      [4, privatePem],
      [4, String(rsa.privateKey.export({ type: "pkcs1", format: "pem" }))],
    ];
    for (const key of keys) {
      const { status, message } = foreign("sign", wireMessage([[1, "sha256"], key, [3, TEXT]]));
      assert.deepEqual([status, message.bool(1), message.text(3)], [0, true, ""]);
      assert.deepEqual(Buffer.from(message.bytes(2)), sign("sha256", TEXT, rsa.privateKey));
    }
  });

  it("signs by ECDSA", () => {
    const args: WireField[] = [
      [1, "sha384"],
      [2, pkcs8(ec as Pair)],
      [3, TEXT],
    ];
    const { message } = foreign("sign", wireMessage(args));
    assert.ok(verify("sha384", TEXT, ec.publicKey, message.bytes(2)));
  });

  it("says OK with an error for a hash or a key that cannot be used", () => {
    const expected: [WireField[], string][] = [
      [
        [
          [1, "md5"],
          [2, pkcs8(rsa)],
        ],
        "md5 is not supported.",
      ],
      [
        [
          [1, "sha256"],
          [2, spki(rsa)],
        ],
        "Invalid key type: private key required for signing operation.",
      ],
      [
        [
          [1, "sha256"],
          [4, "garbage"],
        ],
        "Invalid key type: private key required for signing operation.",
      ],
      [
        [
          [1, "sha256"],
          [2, pkcs8(ed as Pair)],
        ],
        "Invalid private key: key data is corrupted or malformed.",
      ],
    ];
    for (const [fields, error] of expected) {
      const { status, message } = foreign("sign", wireMessage([...fields, [3, TEXT]]));
      assert.deepEqual([status, message.bool(1), message.text(3)], [0, false, error]);
    }
  });

  it("answers BadArgument for no key, two keys, and bytes that are no message", () => {
    const bad = [
      wireMessage([[1, "sha256"]]),
      wireMessage([
        [1, "sha256"],
        [2, pkcs8(rsa)],
        [4, privatePem],
      ]),
      Buffer.from("ff", "hex"),
    ];
    for (const args of bad) assert.equal(foreign("sign", args).status, 2);
  });
});
