/**
 * `typed_per_filter_config`: routes leave Wasm filters out, configure them anew without another VM,
 * or choose another version of them, by header and by weight, with separate stats.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { bootstrap, cluster, listener, wasmFilter } from "../harness/config.ts";
import { FakeUpstream, plainResponse } from "../harness/fake-upstream.ts";
import { guestText } from "../harness/guest-source.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy.ts";
import { exchange } from "../harness/raw-client.ts";
import { compileWat } from "../harness/wat.ts";

const WASM = "type.googleapis.com/envoy.extensions.wasm.v3.PluginConfig";
const FILTER = "type.googleapis.com/envoy.config.route.v3.FilterConfig";

let folder: string;
let upstream: FakeUpstream;
let proxy: ProxyProcess;

/**
 * Answers get `x-version` and `x-config` (the plugin's configuration), and `x-roots`: how many roots
 * this VM has started so far.
 */
function guest(version: string): Uint8Array {
  const text = (at: number, length: number) => `(i32.const ${at}) (i32.const ${length})`;
  const add = (key: string, value: string) =>
    `(drop (call $proxy_add_header_map_value (i32.const 2) ${key} ${value}))`;
  // The configuration of a stream's root is read again in each answer: roots share the globals.
  const read = `(drop (call $proxy_get_buffer_bytes (i32.const 7) (i32.const 0) (local.get $a)
    (i32.const 96) (i32.const 100)))`;
  return compileWat(
    guestText({
      data: { 0: "x-version", 16: "x-config", 32: "x-roots", 48: version },
      fields: `(global $roots (mut i32) (i32.const 0)) (global $root (mut i32) (i32.const 0))`,
      callbacks: {
        proxy_on_configure: `${read}
          (global.set $roots (i32.add (global.get $roots) (i32.const 1)))
          (i32.store8 (i32.const 80) (i32.add (i32.const 48) (global.get $roots)))
          (i32.store (i32.add (i32.const 1024) (i32.mul (local.get $ctx) (i32.const 8)))
            (i32.load (i32.const 96)))
          (i32.store (i32.add (i32.const 1028) (i32.mul (local.get $ctx) (i32.const 8)))
            (i32.load (i32.const 100)))
          (i32.const 1)`,
        proxy_on_context_create: `(if (local.get $a)
          (then (global.set $root (local.get $a))))`,
        proxy_on_response_headers: `
          ${add(text(0, 9), text(48, version.length))}
          ${add(
            text(16, 8),
            `(i32.load (i32.add (i32.const 1024) (i32.mul (global.get $root) (i32.const 8))))
             (i32.load (i32.add (i32.const 1028) (i32.mul (global.get $root) (i32.const 8))))`,
          )}
          ${add(text(32, 7), text(80, 1))} (i32.const 0)`,
      },
    }),
  );
}

function code(version: string): string {
  const path = join(folder, `${version}.wasm`);
  writeFileSync(path, guest(version));
  return `{filename: ${JSON.stringify(path)}}`;
}

const stringValue = (value: string): string =>
  `{"@type": type.googleapis.com/google.protobuf.StringValue, value: ${value}}`;
const own = (value: string): string =>
  `typed_per_filter_config: {f: {"@type": ${WASM}, configuration: ${stringValue(value)}}}`;
const version = (name: string): string =>
  `typed_per_filter_config: {f: {"@type": ${WASM}, name: f-${name}, vm_config: {code: {local: ${code(name)}}}}}`;
const wrapped = (text: string): string =>
  `typed_per_filter_config: {f: {"@type": ${FILTER}, ${text}}}`;
const to = "route: {cluster: upstream}";

function yaml(): string {
  const weighted = (weight: number, more = "") => `{name: upstream, weight: ${weight}${more}}`;
  const clusters = [weighted(0), weighted(1, `, ${version("two")}`)].join(", ");
  const routes = `[
    {match: {prefix: /off}, ${to}, ${wrapped("disabled: true")}},
    {match: {prefix: /own}, ${to}, ${own("mine")}},
    {match: {prefix: /wrapped}, ${to}, ${wrapped(`config: {"@type": ${WASM}, configuration: ${stringValue("inner")}}`)}},
    {match: {prefix: /base}, ${to}, ${wrapped("is_optional: false")}},
    {match: {prefix: /canary, headers: [{name: x-canary, present_match: true}]}, ${to}, ${version("two")}},
    {match: {prefix: /weighted}, route: {weighted_clusters: {clusters: [${clusters}]}}},
    {match: {prefix: /}, ${to}}]`;
  const filter = wasmFilter({ name: "f", code: code("one"), configuration: "base" });
  const parts = { routes, filters: [filter], virtualHost: own("host") };
  return bootstrap([listener(parts)], [cluster("upstream", upstream.port)]);
}

async function ask(path: string, headers = ""): Promise<Record<string, string>> {
  const request = `GET ${path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n${headers}\r\n`;
  const answer = await exchange(proxy.port("main"), request);
  const found: Record<string, string> = {};
  for (const name of ["version", "config", "roots"]) {
    found[name] = new RegExp(`\r\nx-${name}: (.*)\r\n`).exec(answer)?.[1] ?? "-";
  }
  return found;
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "granary-routes-"));
  upstream = await FakeUpstream.listen({
    onRequest: (_, connection) => connection.write(plainResponse(200, "ok")),
  });
  proxy = await startProxy({ yaml: yaml() });
});

after(async () => {
  assert.equal(await proxy.stop(), 0);
  await upstream.close();
  rmSync(folder, { recursive: true });
});

describe("filters on routes", () => {
  it("are left out where the route disables them", async () => {
    assert.equal((await ask("/off"))["version"], "-");
  });

  it("get the configuration of the nearest level", async () => {
    assert.equal((await ask("/own"))["config"], "mine");
    assert.equal((await ask("/wrapped"))["config"], "inner");
    assert.equal((await ask("/"))["config"], "host");
    assert.equal((await ask("/base"))["config"], "base");
  });

  it("share one VM, however many configurations there are", async () => {
    const { version: name, roots } = await ask("/own");
    assert.deepEqual([name, roots], ["one", "4"]);
  });

  it("are another version by header, with the rest of the filter as it was", async () => {
    assert.deepEqual(await ask("/canary", "x-canary: 1\r\n"), {
      version: "two",
      config: "base",
      roots: "1",
    });
    assert.equal((await ask("/canary"))["version"], "one");
  });

  it("are another version by weight, counted apart", async () => {
    const stat = (plugin: string, row: string) =>
      proxy.stat(`http.main.wasm_filter.f.${plugin}.${row}`);
    const [one, two] = [await stat("f", "rq_total"), await stat("f-two", "rq_total")];
    assert.equal((await ask("/weighted"))["version"], "two");
    assert.equal(await stat("f", "rq_total"), one);
    assert.equal(await stat("f-two", "rq_total"), (two ?? 0) + 1);
    assert.equal(await stat("f-two", "rq_2xx"), (two ?? 0) + 1);
  });

  it("are refused for filters that are not there, with what there is", async () => {
    const wrong = yaml().replace("{f: {", "{g: {");
    const { status, body } = await proxy.reload(wrong);
    assert.equal(status, 400);
    assert.match(body, /typed_per_filter_config\["g"\]: there is no HTTP filter "g"/);
    assert.match(body, /the HTTP filters are f, envoy\.filters\.http\.router/);
  });
});
