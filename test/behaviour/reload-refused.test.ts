/**
 * Faulty updates of many kinds: each is refused with a word that says why, a client that is
 * connected notices nothing, and the last good configuration goes on.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { bootstrap, cluster, listener, wasmFilter } from "../harness/config.ts";
import { FakeUpstream, plainResponse } from "../harness/fake-upstream.ts";
import { type GuestSource, guestText } from "../harness/guest-source.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy.ts";
import { RawClient } from "../harness/raw-client.ts";
import { compileWat } from "../harness/wat.ts";

const GET = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const GOOD: GuestSource = {};

let folder: string;
let upstream: FakeUpstream;
let proxy: ProxyProcess;
let client: RawClient;
let takenPort = 0;
const taken = createServer();

function file(name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return `{filename: ${JSON.stringify(path)}}`;
}

const wasm = (name: string, source: GuestSource): string =>
  file(`${name}.wasm`, compileWat(guestText(source)));
const filter = (code: string, more = ""): string =>
  wasmFilter({ name: "f", code, ...(more === "" ? {} : { more }) });
const withFilter = (code: string, more = ""): string => good({ filters: [filter(code, more)] });
const routes = (text: string): string => good({ routes: text });
const refusing = (callback: string, body: string): string =>
  withFilter(wasm(callback, { callbacks: { [callback]: body } }));

function good(parts: Parameters<typeof listener>[0] = {}, clusters?: readonly string[]): string {
  return bootstrap([listener(parts)], clusters ?? [cluster("upstream", upstream.port)]);
}

const FAULTS: readonly (readonly [kind: string, yaml: () => string, words: RegExp])[] = [
  ["resources that are no message", () => "static_resources: 5", /static_resources/],
  ["text that is no YAML", () => "static_resources: {", /envoy\.yaml:\d+/],
  ["a key that stands twice", () => `${good()}static_resources: {}\n`, /static_resources/],
  ["an unknown field", () => good({ hcm: "no_such_field: 1" }), /no_such_field/],
  ["a field that is not implemented", () => good({ hcm: "tracing: {}" }), /tracing/],
  ["an unknown type", () => good().replace("router.v3.Router", "router.v3.Rooter"), /Rooter/],
  ["a bad duration", () => good({ hcm: "stream_idle_timeout: soon" }), /stream_idle_timeout/],
  [
    "a number out of range",
    () => good().replace("port_value: 0", "port_value: 70000"),
    /port_value/,
  ],
  ["an address that is a name", () => good().replace("127.0.0.1", "localhost"), /localhost/],
  [
    "a missing filter chain",
    () => good().replace(/filter_chains:[\s\S]*?(?= {2}clusters)/, "\n"),
    /filter/,
  ],
  ["an unknown cluster", () => routes("[{match: {prefix: /}, route: {cluster: gone}}]"), /gone/],
  [
    "a bad regex",
    () => routes('[{match: {safe_regex: {regex: "("}}, route: {cluster: upstream}}]'),
    /regex/,
  ],
  ["two routers", () => good({ filters: [routerFilter()] }), /router/],
  ["no router", () => good().replace(/\{name: envoy\.filters\.http\.router.*?\}\}/, ""), /router/],
  [
    "two clusters of one name",
    () =>
      good(
        {},
        [1, 2].map((port) => cluster("upstream", port)),
      ),
    /upstream/,
  ],
  [
    "two listeners of one name",
    () => bootstrap([listener(), listener()], [cluster("upstream", 1)]),
    /two listeners/,
  ],
  ["an unknown field of a virtual host", () => good({ virtualHost: "x: 1" }), /x/],
  ["a port in use", () => taking(), /Address already in use/],
  ["a bad certificate", () => tls("none"), /certificate_chain/],
  [
    "an access log in a folder that is not there",
    () => good({ hcm: log() }),
    /ENOENT|no such file/,
  ],
  ["a Wasm file that is not there", () => withFilter("{filename: /nowhere/f.wasm}"), /nowhere/],
  ["a Wasm file that is text", () => withFilter(file("text.wasm", "text")), /not a WebAssembly/],
  ["a Wasm file that is cut short", () => withFilter(file("cut.wasm", cut())), /cut\.wasm/],
  ["code without a version marker", () => withFilter(wasm("unmarked", { abi: "" })), /ABI|abi/],
  [
    "code with an unknown import",
    () => withFilter(wasm("unknown", { imports: IMPORT })),
    /proxy_fly/,
  ],
  [
    "code that refuses proxy_on_vm_start",
    () => refusing("proxy_on_vm_start", "(i32.const 0)"),
    /proxy_on_vm_start returned false/,
  ],
  [
    "code that refuses proxy_on_configure",
    () => refusing("proxy_on_configure", "(i32.const 0)"),
    /proxy_on_configure returned false/,
  ],
  [
    "code that traps in proxy_on_configure",
    () => refusing("proxy_on_configure", "unreachable"),
    /unreachable/,
  ],
  [
    "code that traps when its contexts are made",
    () => refusing("proxy_on_context_create", "unreachable"),
    /unreachable/,
  ],
  [
    "contradicting failure policies",
    () => withFilter(wasm("ok", GOOD), "fail_open: true, failure_policy: FAIL_CLOSED"),
    /fail_open/,
  ],
  [
    "an unknown runtime",
    () => withFilter(wasm("ok", GOOD)).replace("runtime.v8", "runtime.jvm"),
    /runtime/,
  ],
  ["another node", () => `node: {id: other}\n${good()}`, /restart/],
  ["another backlog", () => good({ listener: "tcp_backlog_size: 7" }), /tcp_backlog_size/],
];

const IMPORT = '(import "env" "proxy_fly" (func (param i32) (result i32)))';

function routerFilter(): string {
  const type = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
  return `{name: first, typed_config: {"@type": ${type}}}`;
}

function taking(): string {
  const second = listener({ name: "second" }).replace("port_value: 0", `port_value: ${takenPort}`);
  return bootstrap([listener(), second], [cluster("upstream", upstream.port)]);
}

function tls(certificate: string): string {
  const type = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
  const pair = `{certificate_chain: {inline_string: ${certificate}}, private_key: {inline_string: x}}`;
  const context = `{"@type": ${type}, common_tls_context: {tls_certificates: [${pair}]}}`;
  const socket = `transport_socket: {name: tls, typed_config: ${context}}`;
  return good().replace("    - filters:", `    - ${socket}\n      filters:`);
}

function log(): string {
  const type = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog";
  return `access_log: [{name: l, typed_config: {"@type": ${type}, path: /nowhere/at/all.log}}]`;
}

function cut(): Uint8Array {
  const whole = compileWat(guestText(GOOD));
  return whole.subarray(0, whole.length - 20);
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "granary-refused-"));
  upstream = await FakeUpstream.listen({
    onRequest: (_, connection) => connection.write(plainResponse(200, "ok")),
  });
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  takenPort = (taken.address() as AddressInfo).port;
  proxy = await startProxy({ yaml: withFilter(wasm("running", GOOD)), concurrency: 2 });
  client = await RawClient.open(proxy.port("main"));
});

after(async () => {
  client.close();
  taken.close();
  assert.equal(await proxy.stop(), 0);
  await upstream.close();
  rmSync(folder, { recursive: true });
});

async function answersAsBefore(): Promise<void> {
  const from = client.received.length;
  client.send(GET);
  const text = await client.until((whole) => whole.slice(from).endsWith("ok"));
  assert.match(text.slice(from), /^HTTP\/1\.1 200 OK\r\n/);
}

describe("a faulty update is refused", () => {
  for (const [kind, yaml, words] of FAULTS) {
    it(`for ${kind}`, async () => {
      const { status, body } = await proxy.reload(yaml());
      assert.equal(status, 400, body);
      assert.match(body, words);
      await answersAsBefore();
    });
  }

  it("for a file that is not there", async () => {
    unlinkSync(join(proxy.directory, "envoy.yaml"));
    const { status, body } = await proxy.admin("/reload", "POST");
    assert.equal(status, 400);
    assert.match(body, /envoy\.yaml/);
    await answersAsBefore();
  });

  it("and was counted, while the first version is still the one in use", async () => {
    assert.ok(FAULTS.length >= 30, `${FAULTS.length} kinds`);
    assert.equal(await proxy.stat("config_reload.update_rejected"), FAULTS.length + 1);
    assert.equal(await proxy.stat("config_reload.update_success"), 0);
    assert.equal(await proxy.stat("config_reload.version"), 1);
    assert.equal(await proxy.stat("http.main.downstream_cx_total"), 1);
    const { status, body } = await proxy.reload(withFilter(wasm("running", GOOD)));
    assert.equal(status, 200);
    assert.equal(body, "OK: version 1, no change\n");
  });
});
