/**
 * Access logs of a real proxy: formats, and each response flag by what causes it.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { bootstrap, CLOSED_PORT, cluster, listener } from "../harness/config.ts";
import { FakeUpstream, plainResponse } from "../harness/fake-upstream.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy.ts";
import { exchange, RawClient } from "../harness/raw-client.ts";

const LOGGERS = "type.googleapis.com/envoy.extensions.access_loggers";
const FLAGS_FORMAT = "%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\\n";
const JSON_FORMAT =
  '{code: "%RESPONSE_CODE%", method: "%REQ(:METHOD)%", sent: "%BYTES_SENT%", none: "%REQ(x-none)%",' +
  ' mixed: "a %PROTOCOL% b", inner: {cluster: "%UPSTREAM_CLUSTER%", list: ["%ROUTE_NAME%"]}}';

let directory: string;
let upstream: FakeUpstream;
let proxy: ProxyProcess;

function fileLog(path: string, format: string): string {
  const file = JSON.stringify(join(directory, path));
  return `{name: f, typed_config: {"@type": ${LOGGERS}.file.v3.FileAccessLog, path: ${file}, log_format: ${format}}}`;
}

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "granary-log-"));
  upstream = await FakeUpstream.listen({
    onHead: (request, connection) => {
      if (request.head.includes(" /uc")) connection.reset();
      else if (request.head.includes(" /upe")) connection.write("no http\r\n\r\n");
      else if (request.head.includes(" /cut")) {
        connection.write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx");
        connection.end();
      } else if (request.head.includes(" /ok")) connection.write(plainResponse(200, "hello"));
      else if (request.head.includes(" /urx")) connection.write(plainResponse(503, "hello"));
    },
  });
  const routes = `[
    {match: {prefix: /nowhere, headers: [{name: x-never, present_match: true}]}, route: {cluster: upstream}},
    {match: {prefix: /uf}, route: {cluster: dead}},
    {match: {prefix: /uh}, route: {cluster: empty}},
    {match: {prefix: /uo}, route: {cluster: full}},
    {match: {prefix: /ut}, route: {cluster: upstream, timeout: 0.1s}},
    {match: {prefix: /pertry}, route: {cluster: upstream, retry_policy: {retry_on: reset, num_retries: 1, per_try_timeout: 0.05s}}},
    {match: {prefix: /urx}, route: {cluster: upstream, retry_policy: {retry_on: 5xx, num_retries: 1}}},
    {match: {prefix: /si}, route: {cluster: upstream, idle_timeout: 0.1s}},
    {match: {prefix: /ok}, name: fine, route: {cluster: upstream}},
    {match: {prefix: /uc}, route: {cluster: upstream}},
    {match: {prefix: /upe}, route: {cluster: upstream}},
    {match: {prefix: /cut}, route: {cluster: upstream}},
    {match: {prefix: /dc}, route: {cluster: upstream}}]`;
  const logs = [
    fileLog("flags.log", `{text_format_source: {inline_string: "${FLAGS_FORMAT}"}}`),
    fileLog("json.log", `{json_format: ${JSON_FORMAT}}`),
    `{name: envoy.access_loggers.stdout, typed_config: {"@type": ${LOGGERS}.stream.v3.StdoutAccessLog}}`,
  ];
  const full = "circuit_breakers: {thresholds: [{max_requests: 0}]}";
  const yaml = bootstrap(
    [listener({ routes, hcm: `access_log: [${logs.join(", ")}]` })],
    [
      cluster("upstream", upstream.port),
      cluster("dead", CLOSED_PORT),
      cluster("full", upstream.port, full),
      "  - {name: empty, type: STATIC, load_assignment: {cluster_name: empty}}\n",
    ],
  );
  proxy = await startProxy({ yaml });
});

after(async () => {
  await upstream.close();
  assert.equal(await proxy.stop(), 0);
  await rm(directory, { recursive: true });
});

const UF_DETAILS =
  "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}";

/** Lines of a log file, once one of them passes. Logs are written behind the requests. */
async function lineOf(path: string, passes: (line: string) => boolean): Promise<string> {
  for (;;) {
    const lines = readFileSync(join(directory, path), "utf8").split("\n");
    const found = lines.find(passes);
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function get(path: string): Promise<string> {
  return exchange(
    proxy.port("main"),
    `GET ${path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`,
  );
}

const CASES: readonly (readonly [path: string, status: number, flags: string, details: string])[] =
  [
    ["/ok", 200, "-", "via_upstream"],
    ["/nowhere", 404, "NR", "route_not_found"],
    ["/uf", 503, "UF", UF_DETAILS],
    ["/uh", 503, "UH", "no_healthy_upstream"],
    ["/uo", 503, "UO", "upstream_reset_before_response_started{overflow}"],
    ["/ut", 504, "UT", "response_timeout"],
    ["/pertry", 504, "URX,UT", "upstream_per_try_timeout"],
    ["/urx", 503, "URX", "via_upstream"],
    ["/uc", 503, "UC", "upstream_reset_before_response_started{connection_termination}"],
    ["/upe", 502, "UPE", "upstream_reset_before_response_started{protocol_error}"],
    ["/si", 504, "SI", "stream_idle_timeout"],
    ["/cut", 200, "UPE", "upstream_reset_after_response_started{protocol_error}"],
  ];

for (const [path, status, flags, details] of CASES) {
  test(`${path} is logged with status ${status}, flags ${flags} and details ${details}`, async () => {
    assert.match(await get(path), new RegExp(`^HTTP/1\\.1 ${status} `));
    const line = await lineOf("flags.log", (text) => text.startsWith(`${path} `));
    assert.equal(line, `${path} ${status} ${flags} ${details}`);
  });
}

test("a client that goes away is logged as DC with status 0", async () => {
  const client = await RawClient.open(proxy.port("main"));
  client.send("GET /dc HTTP/1.1\r\nhost: a\r\n\r\n");
  while (!upstream.connections.some((each) => each.requests.some((r) => r.head.includes(" /dc")))) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  client.close();
  const line = await lineOf("flags.log", (text) => text.startsWith("/dc "));
  assert.equal(line, "/dc 0 DC downstream_remote_disconnect");
});

test("bytes that are no HTTP are logged as DPE without a path", async () => {
  assert.match(await exchange(proxy.port("main"), "no http\r\n\r\n"), /^HTTP\/1\.1 400 /);
  const line = await lineOf("flags.log", (text) => text.startsWith("- 400 "));
  assert.match(line, /^- 400 DPE http1\.\S+$/);
});

test("a JSON format keeps numbers, absence and nesting", async () => {
  await get("/ok");
  const line = await lineOf("json.log", (text) => text.includes('"fine"'));
  assert.deepEqual(JSON.parse(line), {
    code: 200,
    method: "GET",
    sent: 5,
    none: null,
    mixed: "a HTTP/1.1 b",
    inner: { cluster: "upstream", list: ["fine"] },
  });
});

test("the default format on stdout is Envoy's", async () => {
  await get("/ok?default");
  while (!proxy.output.includes("/ok?default")) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const line = proxy.output.split("\n").find((text) => text.includes("/ok?default"));
  assert.match(
    line ?? "",
    /^\[\d{4}-\d\d-\d\dT[\d:.]+Z\] "GET \/ok\?default HTTP\/1\.1" 200 - 0 5 \d+ \d+ "-" "-" "[0-9a-f-]{36}" "a" "127\.0\.0\.1:\d+"$/,
  );
});
