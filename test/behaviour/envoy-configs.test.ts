/**
 * Configurations as they are published for Envoy, or pushed by a service mesh, run as they are.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { FakeUpstream, plainResponse } from "../harness/fake-upstream.ts";
import { BUILD_ROOT, type ProxyProcess, runGranary, startProxy } from "../harness/proxy.ts";
import { exchange } from "../harness/raw-client.ts";

/** The repository: builds differ in how far above the compiled tests it is. */
function repository(): string {
  for (let root = BUILD_ROOT; ; root = join(root, "..")) {
    if (existsSync(join(root, "examples/envoy-wasm-cc/envoy.yaml"))) return root;
  }
}

const ROOT = repository();
const EXAMPLE = join(ROOT, "examples/envoy-wasm-cc/envoy.yaml");
const ADD_HEADER = join(ROOT, "examples/filters/rust/add-header/add-header.wasm");
const TYPE = "type.googleapis.com/envoy.extensions";

/** A sidecar's inbound listener, shortened in length only. */
function mesh(port: number): string {
  const filter = (kind: string): string =>
    `{name: envoy.filters.listener.${kind.split(".")[0]}, typed_config: {"@type": ${TYPE}.filters.listener.${kind}}}`;
  const manager = `
          - name: envoy.filters.network.http_connection_manager
            typed_config:
              "@type": ${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager
              stat_prefix: inbound_0.0.0.0_80;
              route_config:
                name: inbound|80||
                validate_clusters: false
                virtual_hosts:
                - name: inbound|http|80
                  domains: ["*"]
                  include_request_attempt_count: true
                  routes:
                  - name: default
                    match: {prefix: /}
                    decorator: {operation: "app.default.svc.cluster.local:80/*"}
                    route:
                      cluster: inbound|80||
                      timeout: 0s
                      max_grpc_timeout: null
                      retry_policy:
                        retry_on: connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes
                        num_retries: 2
                        retry_host_predicate:
                        - name: envoy.retry_host_predicates.previous_hosts
                          typed_config: {"@type": ${TYPE}.retry.host.previous_hosts.v3.PreviousHostsPredicate}
                        host_selection_retry_max_attempts: "5"
                        retriable_status_codes: [503]
              http_filters:
              - name: add-header
                typed_config:
                  "@type": type.googleapis.com/udpa.type.v1.TypedStruct
                  type_url: ${TYPE}.filters.http.wasm.v3.Wasm
                  value:
                    config:
                      vm_config:
                        runtime: envoy.wasm.runtime.v8
                        code: {local: {filename: ${JSON.stringify(ADD_HEADER)}}}
              - name: envoy.filters.http.router
                typed_config: {"@type": ${TYPE}.filters.http.router.v3.Router}
              access_log:
              - name: envoy.access_loggers.file
                typed_config:
                  "@type": ${TYPE}.access_loggers.file.v3.FileAccessLog
                  path: /dev/stdout
                  log_format:
                    text_format_source:
                      inline_string: |
                        [%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%
              use_remote_address: false
              generate_request_id: true
              forward_client_cert_details: APPEND_FORWARD
              set_current_client_cert_details: {subject: true, dns: true, uri: true}
              stream_idle_timeout: 0s
              normalize_path: true
              path_with_escaped_slashes_action: KEEP_UNCHANGED
              server_name: mesh-envoy`;
  return `node: {id: sidecar~10.0.0.1~app.default~default.svc.cluster.local, cluster: app.default, metadata: {LABELS: {app: app}}}
static_resources:
  listeners:
  - name: virtualInbound
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    traffic_direction: INBOUND
    listener_filters: [${filter("original_dst.v3.OriginalDst")}, ${filter("tls_inspector.v3.TlsInspector")}, ${filter("http_inspector.v3.HttpInspector")}]
    listener_filters_timeout: 0s
    continue_on_listener_filters_timeout: true
    filter_chains:
    - name: virtualInbound-catchall-http
      filter_chain_match: {transport_protocol: raw_buffer, application_protocols: [http/1.1, h2c]}
      filters:${manager}
  clusters:
  - name: inbound|80||
    type: STATIC
    connect_timeout: 10s
    circuit_breakers: {thresholds: [{max_connections: 4294967295, max_pending_requests: 4294967295, max_requests: 4294967295, max_retries: 4294967295}]}
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": ${TYPE}.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http_protocol_options: {}}
        http_filters:
        - name: envoy.filters.http.upstream_codec
          typed_config: {"@type": ${TYPE}.filters.http.upstream_codec.v3.UpstreamCodec}
    load_assignment:
      cluster_name: inbound|80||
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: ${port}}}}}]}]
`;
}

let upstream: FakeUpstream;
const proxies: ProxyProcess[] = [];

async function serve(yaml: string): Promise<ProxyProcess> {
  const proxy = await startProxy({ yaml });
  proxies.push(proxy);
  return proxy;
}

before(async () => {
  upstream = await FakeUpstream.listen({
    onRequest: (request, connection) =>
      connection.write(plainResponse(200, request.head.replaceAll("\r\n", "\n"))),
  });
});

after(async () => {
  for (const proxy of proxies) assert.equal(await proxy.stop(), 0);
  await upstream.close();
});

const GET =
  "GET /a/../b HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-forwarded-client-cert: By=me\r\n\r\n";

test("Envoy's wasm-cc example validates as it is, and serves", async () => {
  const yaml = readFileSync(EXAMPLE, "utf8");
  const cwd = process.cwd();
  process.chdir(ROOT);
  const checked = await runGranary(["-c", EXAMPLE, "--mode", "validate"]);
  assert.equal(checked.code, 0, checked.err);
  const free = yaml
    .replace("port_value: 8000", "port_value: 0")
    .replace("port_value: 10001", `port_value: ${upstream.port}`);
  const proxy = await serve(free);
  process.chdir(cwd);
  const answer = await exchange(proxy.port("listener_0"), GET);
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(answer, /\nGET \/a\/\.\.\/b HTTP|\r\n\r\nGET \/a/);
});

test("a service mesh's inbound listener serves with filters, retries and logs", async () => {
  const proxy = await serve(mesh(upstream.port));
  const answer = await exchange(proxy.port("virtualInbound"), GET);
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\nserver: mesh-envoy/);
  assert.match(answer, /\r\nx-granary-filter: rust\r\n/);
  assert.match(answer, /\r\n\r\nGET \/b HTTP\/1\.1\n/);
  assert.match(answer, /\nx-envoy-attempt-count: 1\n/);
  assert.doesNotMatch(answer, /x-forwarded-client-cert/);
  while (!/ inbound\|80\|\| 127\.0\.0\.1:\d+ /.test(proxy.output)) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.match(proxy.output, /"GET \/b HTTP\/1\.1" 200 - via_upstream - "-" 0 \d+ \d+ \d+ "-" "-"/);
  assert.match(proxy.output, / - default\n/);
});
