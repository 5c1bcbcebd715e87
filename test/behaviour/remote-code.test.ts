/**
 * Code from elsewhere: over HTTP and out of OCI images, checked, retried, cached; signatures.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { CodeServer, LAYERS, sha256 } from "../harness/code-server.ts";
import { bootstrap, cluster, listener } from "../harness/config.ts";
import { FakeUpstream, plainResponse } from "../harness/fake-upstream.ts";
import { untilLogged } from "../harness/filter-rig.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy.ts";
import { exchange } from "../harness/raw-client.ts";
import { CONTINUE, scriptedGuest } from "../harness/scripted-guest.ts";
import { signedAsCppHost, signedAsToolConventions, TestKey } from "../harness/signed-modules.ts";

const GET = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
const WASM = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

let folder: string;
let server: CodeServer;
let upstream: FakeUpstream;
let proxy: ProxyProcess;

function guest(version: string): Uint8Array {
  return scriptedGuest((s) => ({
    proxy_on_response_headers: [s.add(2, "x-filter", version), CONTINUE],
  }));
}

interface Source {
  readonly uri: string;
  readonly sha256: string;
  readonly vm?: string;
  /** Further fields of the plugin. */
  readonly plugin?: string;
  /** Value of a header that the route adds. */
  readonly route?: string;
  readonly keys?: readonly string[];
}

function yaml(source: Source | null): string {
  const uri = `http_uri: {uri: "${source?.uri}", cluster: code, timeout: 5s}`;
  const retry = "retry_policy: {num_retries: 2, retry_back_off: {base_interval: 0.001s}}";
  const code = `code: {remote: {${uri}, sha256: "${source?.sha256}", ${retry}}}`;
  const config = `{name: f, ${source?.plugin ?? ""}vm_config: {${source?.vm ?? ""}${code}}}`;
  const filters =
    source === null ? [] : [`{name: f, typed_config: {"@type": ${WASM}, config: ${config}}}`];
  const metadata = `metadata: {filter_metadata: {granary.wasm: {public_keys: [${source?.keys}]}}}`;
  const more = source?.keys === undefined ? {} : { listener: metadata };
  const route = `response_headers_to_add: [{header: {key: x-route, value: "${source?.route}"}}]`;
  const clusters = [cluster("upstream", upstream.port), cluster("code", server.port)];
  return bootstrap([listener({ filters, virtualHost: route, ...more })], clusters);
}

const at = (path: string): string => `http://code.test${path}`;
const image = (name: string): string => `oci://127.0.0.1:${server.port}/${name}`;

/** Puts a module on the server and gives its source. */
function file(name: string, bytes = guest(name)): Source {
  server.files.set(`/${name}.wasm`, bytes);
  return { uri: at(`/${name}.wasm`), sha256: sha256(bytes) };
}

/** Replaces the file of registry passwords. */
function passwords(text: string): void {
  writeFileSync(join(folder, "config.json"), text);
}

async function filterOf(): Promise<string | undefined> {
  const answer = await exchange(proxy.port("main"), GET);
  return /\r\nx-filter: (.*)\r\n/.exec(answer)?.[1];
}

async function taken(source: Source): Promise<void> {
  const { status, body } = await proxy.reload(yaml(source));
  assert.equal(status, 200, body);
}

async function refused(source: Source, words: RegExp): Promise<void> {
  const before = await filterOf();
  const { status, body } = await proxy.reload(yaml(source));
  assert.equal(status, 400, body);
  assert.match(body, words);
  assert.equal(await filterOf(), before);
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "granary-code-"));
  server = await CodeServer.listen();
  upstream = await FakeUpstream.listen({
    onRequest: (_, connection) => connection.write(plainResponse(200, "ok")),
  });
  const args = ["--code-cache-path", join(folder, "cache")];
  args.push("--registry-auth-path", join(folder, "config.json"));
  passwords("{}");
  proxy = await startProxy({ yaml: yaml(file("start")), args });
});

beforeEach(() => {
  server.requests.length = 0;
});

after(async () => {
  assert.equal(await proxy.stop(), 0);
  await upstream.close();
  await server.close();
  rmSync(folder, { recursive: true });
});

describe("code over HTTP", () => {
  it("is there before anything serves", async () => {
    assert.equal(await filterOf(), "start");
  });

  it("is fetched through the cluster, and the next time comes from the cache", async () => {
    const one = file("one");
    await taken(one);
    assert.equal(await filterOf(), "one");
    assert.deepEqual(server.requests, ["/one.wasm -"]);
    assert.ok(readdirSync(join(folder, "cache")).includes(`${one.sha256}.wasm`));
    await taken(file("two"));
    await taken(one);
    assert.equal(await filterOf(), "one");
    assert.deepEqual(server.requests, ["/one.wasm -", "/two.wasm -"]);
  });

  it("is fetched again when the cached file is not what its name says", async () => {
    const three = file("three");
    await taken(three);
    writeFileSync(join(folder, "cache", `${three.sha256}.wasm`), "broken");
    await taken(file("four"));
    await taken(three);
    assert.equal(server.requests.filter((line) => line.startsWith("/three")).length, 2);
  });

  it("is tried again, as often as the policy says", async () => {
    server.failures = 2;
    await taken(file("retried"));
    assert.equal(server.requests.length, 3);
    server.failures = 3;
    await refused(file("given-up"), /given-up\.wasm: the status is 503/);
    assert.equal(server.failures, 0);
  });

  it("is refused when its SHA-256 is another, or it is no module", async () => {
    await refused(
      { ...file("changed"), sha256: "0".repeat(64) },
      /the SHA-256 is [0-9a-f]{64}, not 0+/,
    );
    const text = Buffer.from("no module");
    server.files.set("/text.wasm", text);
    await refused({ uri: at("/text.wasm"), sha256: sha256(text) }, /is not a WebAssembly module/);
    await refused({ uri: at("/x"), sha256: "short" }, /"short" is not a SHA-256/);
    await refused({ uri: "ftp://a/b", sha256: "0".repeat(64) }, /cannot be fetched/);
  });

  it("is not waited for with nack_on_code_cache_miss, and taken once it is cached", async () => {
    const source = { ...file("later"), vm: "nack_on_code_cache_miss: true, " };
    await refused(source, /not in the cache; it is being fetched/);
    await untilLogged(proxy, (line) => line.includes("later.wasm: fetched"));
    await taken(source);
    assert.equal(await filterOf(), "later");
  });
});

describe("code that is not to be had at the start", () => {
  const CLOSED = "failure_policy: FAIL_CLOSED, ";
  const OPEN = "failure_policy: FAIL_OPEN, ";
  for (const [policy, status] of [
    [CLOSED, 503],
    [OPEN, 200],
  ] as const) {
    it(`leaves requests to the policy ${policy}, until it comes`, { timeout: 60_000 }, async () => {
      const source = { ...file(`absent-${status}`), plugin: policy };
      const bytes = server.files.get(`/absent-${status}.wasm`) ?? 404;
      server.files.set(`/absent-${status}.wasm`, 404);
      const args = ["--code-cache-path", join(folder, `empty-${status}`)];
      const late = await startProxy({ yaml: yaml(source), args });
      const ask = () => exchange(late.port("main"), GET);
      const first = await ask();
      assert.match(first, new RegExp(`^HTTP/1.1 ${status} `));
      assert.doesNotMatch(first, /x-filter/);
      const told = /absent-\d+\.wasm: the status is 404: plugins with this code do not/;
      await untilLogged(late, (line) => told.test(line));
      // Other updates are taken meanwhile; new code that is missing is not.
      const updated = await late.reload(yaml({ ...source, route: "new" }));
      assert.equal(updated.status, 200, updated.body);
      assert.match(await ask(), status === 200 ? /x-route: new/ : / 503 /);
      const other = await late.reload(yaml({ ...source, uri: at("/nowhere.wasm") }));
      assert.equal(other.status, 400);
      assert.match(other.body, /nowhere\.wasm: the status is 404/);
      // The refused text stands in the file: the code must come to the one in use.
      late.configure(yaml({ ...source, route: "new" }));
      server.files.set(`/absent-${status}.wasm`, bytes);
      await untilLogged(late, (line) => line.includes("configuration 3 is in use"));
      assert.match(await ask(), new RegExp(`x-filter: absent-${status}\r\n`));
      assert.equal(await late.stop(), 0);
    });
  }
});

describe("code out of an image", () => {
  for (const [form, layerOf] of Object.entries(LAYERS)) {
    it(`is found in a layer of the form ${form}, with a token, past a redirect`, async () => {
      const bytes = guest(form);
      server.publish("team/filter", form, layerOf(bytes));
      await taken({ uri: image(`team/filter:${form}`), sha256: sha256(bytes) });
      assert.equal(await filterOf(), form);
      const stores = server.requests.filter((line) => line.startsWith("/store/"));
      assert.equal(stores.length, 1);
      assert.match(stores[0] ?? "", / -$/, "the token stays at the registry");
    });
  }

  it("may be named by the digest of its manifest", async () => {
    const digest = server.publish("by/digest", "v1", LAYERS.artifact(guest("digest")));
    await taken({ uri: image(`by/digest@sha256:${digest}`), sha256: digest });
    assert.equal(await filterOf(), "digest");
  });

  it("is refused when tag, layer or digest are not what they should be", async () => {
    const bytes = guest("wrong");
    const digest = server.publish("wrong/one", "v1", LAYERS.artifact(bytes));
    const good = { uri: image("wrong/one:v1"), sha256: sha256(bytes) };
    await refused({ ...good, uri: image("wrong/one:v2") }, /answered 404/);
    await refused({ ...good, sha256: "1".repeat(64) }, /the SHA-256 is .* or .*, not 1+/);
    server.files.set(`/store/sha256:${sha256(bytes)}`, guest("other"));
    await refused(good, /the layer is not sha256:/);
    server.files.set(`/v2/wrong/one/manifests/sha256:${digest}`, Buffer.from("{}"));
    await refused(
      { ...good, uri: image(`wrong/one@sha256:${digest}`) },
      /the manifest is not that/,
    );
    server.publish("wrong/two", "v1", { type: "x.tar", bytes: Buffer.alloc(2048) });
    await refused({ ...good, uri: image("wrong/two:v1") }, /no \.wasm file/);
  });
});

describe("a registry that asks for a password", () => {
  const login = Buffer.from("me:pass word").toString("base64");
  const private1 = (name: string): Source => {
    const bytes = guest(name);
    server.publish(name, "v1", LAYERS.artifact(bytes));
    return { uri: image(`${name}:v1`), sha256: sha256(bytes) };
  };

  before(() => {
    server.login = login;
  });
  after(() => {
    server.login = null;
  });

  it("gets it for a token, or as it is, from a file that is read anew", async () => {
    const [token, basic] = [private1("private/one"), private1("basic/one")];
    await refused(token, /no token from .* \(status 401\)/);
    await refused(basic, /the registry asks for a password/);
    passwords(
      JSON.stringify({ auths: { [`http://127.0.0.1:${server.port}/v2/`]: { auth: login } } }),
    );
    await taken(token);
    assert.equal(await filterOf(), "private/one");
    const own = { username: "me", password: "pass word" };
    passwords(JSON.stringify({ auths: { [`127.0.0.1:${server.port}`]: own } }));
    await taken(basic);
    assert.equal(await filterOf(), "basic/one");
    const given = server.requests.filter((line) => line.includes(login));
    assert.ok(
      given.every((line) => /^\/(token|v2\/basic\/)/.test(line)),
      given.join("; "),
    );
  });

  it("does not get that of another, and a file that is broken is told without its words", async () => {
    passwords(JSON.stringify({ auths: { "registry.test": { auth: login } } }));
    await refused(private1("basic/two"), /the registry asks for a password/);
    passwords('{"auths": secret');
    await refused(private1("basic/three"), /config\.json cannot be read: it is not JSON\n$/);
  });
});

describe("signatures", () => {
  const key = new TestKey();
  const other = new TestKey();

  it("of both layouts are accepted from a key of the configuration", async () => {
    for (const [name, sign] of [
      ["cpp", signedAsCppHost],
      ["tool", signedAsToolConventions],
    ] as const) {
      const source = file(name, sign(guest(name), key));
      await taken({ ...source, keys: [other.publicKey, key.publicKey] });
      assert.equal(await filterOf(), name);
    }
  });

  it("fail closed: none, of another key, or over other bytes", async () => {
    const keys = [key.publicKey];
    const words = /is not signed by any of the public keys/;
    await refused({ ...file("unsigned"), keys }, words);
    await refused({ ...file("foreign", signedAsCppHost(guest("foreign"), other)), keys }, words);
    for (const sign of [signedAsCppHost, signedAsToolConventions]) {
      const bytes = sign(guest("altered"), key);
      const at = Buffer.from(bytes).indexOf("altered");
      bytes.set(Buffer.from("Altered"), at);
      await refused({ ...file("altered", bytes), keys }, words);
    }
    await refused({ ...file("nokey"), keys: ["abc"] }, /no Ed25519 public key/);
    await refused({ ...file("nokeys"), keys: [] }, /at least one public key/);
  });
});
