/**
 * What is decided about a request before filters see it: version, path, TLS, untrusted headers. The
 * answers are those of Envoy 1.40 to the same requests.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { bootstrap, cluster, listener } from "../harness/config.ts";
import { FakeUpstream, plainResponse } from "../harness/fake-upstream.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy.ts";
import { exchange } from "../harness/raw-client.ts";

const LOG = `access_log: [{name: l, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog, log_format: {text_format_source: {inline_string: "LOG %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\\n"}}}}]`;

let upstream: FakeUpstream;
let proxy: ProxyProcess;
/** What the upstream answers first; then it echoes the head. */
let answers: string[] = [];

before(async () => {
  upstream = await FakeUpstream.listen({
    onRequest: (request, connection) => {
      const text = request.head.replaceAll("\r\n", "\n");
      connection.write(answers.shift() ?? plainResponse(200, text + request.body));
    },
  });
  const slashes = (action: string): string => `path_with_escaped_slashes_action: ${action}`;
  const retry = "retry_policy: {retry_on: 5xx}";
  const routes = `[
    {match: {prefix: /nf}, route: {cluster: none, cluster_not_found_response_code: NOT_FOUND}},
    {match: {prefix: /ise}, route: {cluster: none, cluster_not_found_response_code: INTERNAL_SERVER_ERROR}},
    {match: {prefix: /su}, route: {cluster: none}},
    {match: {prefix: /ten}, route: {cluster: upstream, ${retry}}, per_request_buffer_limit_bytes: 10},
    {match: {prefix: /five}, route: {cluster: upstream, ${retry}}},
    {match: {prefix: /auto}, route: {cluster: named, auto_host_rewrite: true, append_x_forwarded_host: true}},
    {match: {prefix: /byheader}, route: {cluster: named, host_rewrite_header: x-host}},
    {match: {prefix: /}, route: {cluster: upstream}}]`;
  const yaml = bootstrap(
    [
      listener({ name: "norm", hcm: `normalize_path: true, merge_slashes: true, ${LOG}` }),
      listener({ name: "reject", hcm: `${slashes("REJECT_REQUEST")}, ${LOG}` }),
      listener({
        name: "redirect",
        hcm: `normalize_path: true, ${slashes("UNESCAPE_AND_REDIRECT")}, ${LOG}`,
      }),
      listener({ name: "forward", hcm: slashes("UNESCAPE_AND_FORWARD") }),
      listener({ name: "main", hcm: LOG }),
      listener({ name: "ten", hcm: "http_protocol_options: {accept_http_10: true}" }),
      listener({
        name: "named",
        hcm: "http_protocol_options: {accept_http_10: true, default_host_for_http_10: old}",
      }),
      listener({ name: "strip", hcm: "strip_any_host_port: true, strip_trailing_host_dot: true" }),
      listener({ name: "matching", hcm: "strip_matching_host_port: true" }),
      listener({ name: "tls", virtualHost: "require_tls: ALL" }),
      listener({ name: "external", virtualHost: "require_tls: EXTERNAL_ONLY" }),
      listener({ name: "edge", hcm: "use_remote_address: true" }),
      listener({
        name: "routes",
        routes,
        virtualHost:
          "per_request_buffer_limit_bytes: 5, include_request_attempt_count: true, include_attempt_count_in_response: true",
        hcm: LOG,
      }).replace("{name: local,", "{name: local, validate_clusters: false,"),
    ],
    [
      cluster("upstream", upstream.port),
      cluster("named", upstream.port).replace(
        "endpoint: {address",
        "endpoint: {hostname: up.test, address",
      ),
    ],
  );
  proxy = await startProxy({ yaml });
});

after(async () => {
  assert.equal(await proxy.stop(), 0);
  await upstream.close();
});

/** Status line, location and the first line that the upstream saw. */
async function get(name: string, path: string, more = ""): Promise<string> {
  const text = await exchange(
    proxy.port(name),
    `GET ${path} HTTP/1.1\r\nhost: a:80\r\nconnection: close\r\n${more}\r\n`,
  );
  const [head = "", body = ""] = text.split("\r\n\r\n");
  const location = /\r\nlocation: (.*)/.exec(head)?.[1];
  const seen = /^GET (\S+) HTTP/.exec(body)?.[1];
  return [head.slice(9, 12), location, seen].filter((part) => part !== undefined).join(" ");
}

/** Until the access log has such a line; the test runner's limit ends a wait in vain. */
async function logged(line: RegExp): Promise<void> {
  while (!line.test(proxy.output)) await new Promise((resolve) => setImmediate(resolve));
}

test("paths are normalised and slashes merged before routes see them", async () => {
  assert.equal(await get("norm", "/a//b/../%2e/c%41?x=//.."), "200 /a/cA?x=//..");
  assert.equal(await get("norm", "/a%2fb"), "200 /a%2fb");
  assert.equal(await get("norm", "/%00"), "400");
  await logged(/LOG 400 - path_normalization_failed\n/);
  assert.equal(await get("main", "/a/../b%00"), "200 /a/../b%00");
});

test("escaped slashes are refused, redirected or decoded as configured", async () => {
  assert.equal(await get("reject", "/a%2Fb"), "400");
  assert.equal(await get("reject", "/a%5cb"), "400");
  assert.equal(await get("reject", "/a?x=%2f"), "200 /a?x=%2f");
  assert.equal(await get("redirect", "/a%5cb/%2e%2e/c?x=%2f"), "307 /a/c?x=%2f");
  await logged(/LOG 307 - path_normalization_failed\n/);
  assert.equal(await get("redirect", "/a/../b"), "200 /b");
  assert.equal(await get("forward", "/a%5cb%2fc"), "200 /a\\b/c");
});

test("what became of paths and statuses is counted", async () => {
  assert.equal(await proxy.stat("http.norm.downstream_rq_failed_path_normalization"), 1);
  assert.equal(await proxy.stat("http.redirect.downstream_rq_redirected_with_normalized_path"), 1);
  assert.equal(await proxy.stat("http.main.downstream_rq_failed_path_normalization"), 0);
  // Port 0: the listeners of this test share their address, not their prefix.
  const listenerHttp = (name: string): string => `listener.127.0.0.1_0.http.${name}`;
  assert.equal(await proxy.stat(`${listenerHttp("reject")}.downstream_rq_4xx`), 2);
  assert.equal(await proxy.stat(`${listenerHttp("reject")}.downstream_rq_completed`), 3);
});

test("HTTP/1.0 is refused with 426 unless accept_http_10, and needs a host", async () => {
  const old = "GET /x HTTP/1.0\r\nhost: a\r\n\r\n";
  const refused = await exchange(proxy.port("main"), old);
  assert.match(refused, /^HTTP\/1\.1 426 Upgrade Required\r\n[\s\S]*\r\n\r\nUpgrade Required$/);
  await logged(/LOG 426 DPE low_version\n/);
  assert.match(await exchange(proxy.port("ten"), old), /^HTTP\/1\.1 200 OK\r\n/);
  const nameless = "GET /x HTTP/1.0\r\n\r\n";
  assert.match(await exchange(proxy.port("ten"), nameless), /^HTTP\/1\.1 400 Bad Request\r\n/);
  assert.match(await exchange(proxy.port("named"), nameless), /\nhost: old\n/);
});

test("an upgrade is refused with 403, a wish for h2c goes on in HTTP/1.1", async () => {
  const ask = (fields: string): Promise<string> =>
    exchange(proxy.port("main"), `GET /up HTTP/1.1\r\nhost: a\r\n${fields}\r\n`);
  for (const protocol of ["websocket", "TLS/1.0"]) {
    const refused = await ask(`connection: Upgrade\r\nupgrade: ${protocol}\r\n`);
    assert.match(refused, /^HTTP\/1\.1 403 Forbidden\r\n[\s\S]*\r\nconnection: close\r\n/);
    assert.match(refused, /\r\n\r\n$/);
  }
  await logged(/LOG 403 - upgrade_failed\n/);
  const wish =
    "connection: close, Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMA\r\n";
  const served = await ask(wish);
  assert.match(served, /^HTTP\/1\.1 200 OK\r\n/);
  assert.doesNotMatch(served, /upgrade|http2-settings/i);
  const connect = "CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n";
  assert.match(await exchange(proxy.port("main"), connect), /^HTTP\/1\.1 404 Not Found\r\n/);
  await logged(/LOG 404 NR route_not_found\n/);
});

test("require_tls sends plain requests to https", async () => {
  assert.equal(await get("tls", "/x?y"), "301 https://a:80/x?y");
  assert.equal(await get("tls", "/x", "x-forwarded-proto: https\r\n"), "200 /x");
  assert.equal(await get("external", "/x"), "301 https://a:80/x");
  // A client cannot claim to come from inside.
  assert.equal(await get("external", "/x", "x-envoy-internal: true\r\n"), "301 https://a:80/x");
});

test("what only Envoys may say is taken out of requests from outside", async () => {
  const names = [
    "retry-on",
    "max-retries",
    "upstream-rq-timeout-ms",
    "internal",
    "original-path",
    "decorator-operation",
    "attempt-count",
  ];
  const given = names.map((name) => `x-envoy-${name}: 1\r\n`).join("");
  const seen = async (listenerName: string): Promise<string[]> => {
    const head = `GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n${given}\r\n`;
    const text = await exchange(proxy.port(listenerName), head);
    return names.filter((name) => text.includes(`x-envoy-${name}: 1\n`));
  };
  assert.deepEqual(await seen("main"), ["original-path", "decorator-operation", "attempt-count"]);
  assert.deepEqual(await seen("edge"), ["attempt-count"]);
  const edge = await exchange(
    proxy.port("edge"),
    "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-forwarded-for: 1.2.3.4\r\n\r\n",
  );
  assert.match(edge, /\nx-forwarded-for: 1\.2\.3\.4,127\.0\.0\.1\n/);
  assert.match(edge, /\nx-envoy-external-address: 127\.0\.0\.1\n/);
});

test("the host loses its port and its last dot as configured", async () => {
  const seen = async (name: string, host: string): Promise<string | undefined> => {
    const head = `GET / HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`;
    return /\nhost: (.*)\n/.exec(await exchange(proxy.port(name), head))?.[1];
  };
  assert.equal(await seen("strip", "a.test.:99"), "a.test");
  assert.equal(await seen("strip", "[::1]:99"), "[::1]");
  assert.equal(await seen("matching", `a:${proxy.port("matching")}`), "a");
  assert.equal(await seen("matching", "a:99"), "a:99");
  assert.equal(await seen("main", "a.:99"), "a.:99");
});

test("the host is rewritten to the endpoint's name or to a header, attempts are counted", async () => {
  const head = (path: string): string =>
    `GET ${path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-host: b\r\n\r\n`;
  const auto = await exchange(proxy.port("routes"), head("/auto"));
  assert.match(auto, /\nhost: up\.test\n/);
  assert.match(auto, /\nx-forwarded-host: a\n/);
  assert.match(auto, /\nx-envoy-attempt-count: 1\n/);
  assert.match(await exchange(proxy.port("routes"), head("/byheader")), /\nhost: b\n/);
  answers = [plainResponse(503, "first")];
  const again = await exchange(proxy.port("routes"), head("/five"));
  assert.match(again, /\r\nx-envoy-attempt-count: 2\r\n[\s\S]*\nx-envoy-attempt-count: 2\n/);
});

test("a cluster that is not there is answered with the configured status", async () => {
  assert.equal(await get("routes", "/nf"), "404");
  assert.equal(await get("routes", "/ise"), "500");
  assert.equal(await get("routes", "/su"), "503");
  await logged(/LOG 500 NC cluster_not_found\n/);
});

test("a body above per_request_buffer_limit_bytes is not kept for a retry", async () => {
  const post = (path: string): Promise<string> => {
    answers = [plainResponse(503, "first")];
    const head = `POST ${path} HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\nconnection: close\r\n\r\n`;
    return exchange(proxy.port("routes"), `${head}8 bytes.`);
  };
  assert.match(await post("/ten"), /^HTTP\/1\.1 200 OK\r\n[\s\S]*8 bytes\.$/);
  assert.match(await post("/five"), /^HTTP\/1\.1 503 [\s\S]*first$/);
  answers = [];
});
