/**
 * `local_reply_config` and the filters of access loggers, which mappers use too. What comes out is
 * what Envoy 1.40 gives for the same configuration.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { bootstrap, cluster, listener } from "../harness/config.ts";
import { FakeUpstream, plainResponse } from "../harness/fake-upstream.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy.ts";
import { exchange } from "../harness/raw-client.ts";

let upstream: FakeUpstream;
let proxy: ProxyProcess;

function status(value: number, op = "EQ"): string {
  return `{status_code_filter: {comparison: {op: ${op}, value: {default_value: ${value}, runtime_key: k}}}}`;
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, " ");
}

function log(tag: string, filter: string): string {
  return `{name: l, filter: ${filter}, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog, log_format: {text_format_source: {inline_string: "${tag} %REQ(:PATH)%\\n"}}}}`;
}

before(async () => {
  upstream = await FakeUpstream.listen({
    onRequest: (request, connection) => {
      const code = Number(/ \/up(\d+)/.exec(request.head)?.[1] ?? "200");
      connection.write(plainResponse(code, "from upstream"));
    },
  });
  const flag = (name: string): string => `{response_flag_filter: {flags: [${name}]}}`;
  const header = `{header_filter: {header: {name: x-log, string_match: {exact: "yes"}}}}`;
  const text = (body: string): string => `text_format_source: {inline_string: "${body}"}`;
  const mappers = oneLine(`[
    {filter: ${flag("UF")}, status_code: 500, body: {inline_string: "cannot connect"}, headers_to_add: [{header: {key: x-mapped, value: "%RESPONSE_FLAGS%"}}]},
    {filter: {and_filter: {filters: [${status(404)}, ${header}]}}, body_format_override: {${text("<b>%LOCAL_REPLY_BODY%:%RESPONSE_CODE%:%REQ(:path)%</b>")}, content_type: text/html}},
    {filter: ${status(418)}, body: {inline_string: "é"}}]`);
  const json = `json_format: {path: "%REQ(:path)%", code: "%RESPONSE_CODE%", text: "%LOCAL_REPLY_BODY%", é: é}`;
  const routes = `[
    {match: {path: /dead}, route: {cluster: dead}},
    {match: {path: /tea}, direct_response: {status: 418, body: {inline_string: short}}},
    {match: {path: /none}, direct_response: {status: 404, body: {inline_string: gone}}},
    {match: {prefix: /up}, route: {cluster: upstream}}]`;
  const logs = [
    log("GE500", status(500, "GE")),
    log("FLAGS", "{response_flag_filter: {}}"),
    log("OR", `{or_filter: {filters: [${status(404)}, ${header}]}}`),
    log(
      "SLOW",
      "{duration_filter: {comparison: {op: GE, value: {default_value: 60000, runtime_key: k}}}}",
    ),
    log("GRPC", "{grpc_status_filter: {statuses: [UNIMPLEMENTED]}}"),
    log("ALL", "{not_health_check_filter: {}}"),
  ].join(", ");
  const yaml = bootstrap(
    [
      listener({
        name: "main",
        routes,
        hcm: `local_reply_config: {mappers: ${mappers}, body_format: {${json}}}, access_log: [${logs}]`,
      }),
    ],
    [cluster("upstream", upstream.port), cluster("dead", 1)],
  );
  proxy = await startProxy({ yaml });
});

after(async () => {
  assert.equal(await proxy.stop(), 0);
  await upstream.close();
});

function get(path: string, more = ""): Promise<string> {
  const head = `GET ${path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n${more}\r\n`;
  return exchange(proxy.port("main"), head);
}

test("the first mapper whose filter matches sets status, body and headers", async () => {
  const answer = await get("/dead");
  assert.match(answer, /^HTTP\/1\.1 500 Internal Server Error\r\n/);
  assert.match(answer, /\r\nx-mapped: UF\r\n/);
  assert.match(answer, /\r\ncontent-type: application\/json\r\n/);
  assert.match(
    answer,
    /\r\n\r\n\{"code":500,"path":"\/dead","text":"cannot connect","\u00c3\u00a9":"\u00c3\u00a9"\}\n$/,
  );
});

test("a mapper has a body format of its own, with its content type", async () => {
  const answer = await get("/none", "x-log: yes\r\n");
  assert.match(answer, /^HTTP\/1\.1 404 [\s\S]*\r\ncontent-type: text\/html\r\n/);
  assert.match(answer, /<b>gone:404:\/none<\/b>$/);
  assert.match(await get("/none"), /\{"code":404,"path":"\/none","text":"gone",/);
});

test("bodies are UTF-8, replies of upstreams are left alone", async () => {
  assert.match(await get("/tea"), /"text":"\u00c3\u00a9"/);
  const answer = await get("/up404");
  assert.match(answer, /\r\n\r\nfrom upstream$/);
});

test("a HEAD gets the head of the reply only, a gRPC client its trailers-only form", async () => {
  const head = "HEAD /none HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
  assert.match(
    await exchange(proxy.port("main"), head),
    /\r\ncontent-length: \d{2}\r\n[\s\S]*\r\n\r\n$/,
  );
  const grpc = await get("/dead", "content-type: application/grpc\r\n");
  assert.match(grpc, /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\ngrpc-message: \{"code":500/);
});

test("loggers write what their filters let through", async () => {
  await get("/up200?first", "x-log: yes\r\n");
  await get("/up503?second");
  await get("/up404?third");
  await get("/none", "content-type: application/grpc\r\nx-log: grpc\r\n");
  await get("/last");
  while (!proxy.output.includes("ALL /last\n")) await new Promise((next) => setImmediate(next));
  const lines = (tag: string): string[] =>
    proxy.output
      .split("\n")
      .filter((line) => line.startsWith(`${tag} /up`) || line === `${tag} /last`)
      .map((line) => line.slice(tag.length + 1));
  assert.deepEqual(lines("GE500"), ["/up503?second"]);
  assert.deepEqual(lines("OR"), ["/up404", "/up200?first", "/up404?third", "/last"]);
  assert.deepEqual(lines("FLAGS"), ["/last"]);
  assert.deepEqual(lines("SLOW"), []);
  assert.equal(proxy.output.split("GRPC /none\n").length, 2);
});
