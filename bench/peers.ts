/**
 * Proxies and upstreams that benchmarks start: Granary and, where they are installed, nginx and
 * HAProxy with equal tasks.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";

export interface Scenario {
  readonly name: string;
  readonly bodyBytes: number;
  readonly tls: boolean;
  /** How many times the Rust filter that adds one header each way; nginx and HAProxy add headers. */
  readonly filters: number;
  /** Another Rust filter instead. */
  readonly filter?: "callouts" | "body-window" | "pausing";
  /** The callouts filter asks the same upstream once and goes on; or a gRPC one, and answers itself. */
  readonly callout?: "http" | "grpc";
  /** What the upstream speaks; HTTP/1.1 when it is not said. */
  readonly upstream?: "http2";
  /** One more cluster, "service", which holds as many calls as there may be. */
  readonly service?: { readonly port: number; readonly protocol: "http1" | "http2" };
  /** Every request is logged to a file, by nginx too. */
  readonly logs?: true;
  /** A tap that keeps 64 KiB of each body, and that no stream matches. */
  readonly taps?: true;
  /** StringValue of the plugin. */
  readonly configuration?: string;
}

export interface RunningPeer {
  readonly name: string;
  readonly port: number;
  readonly process: ChildProcess;
}

const SBIN = ["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin"];

/** Path of an installed program, or null. */
export function program(name: string): string | null {
  const path = [process.env["PATH"] ?? "", ...SBIN].join(":");
  const found = spawnSync("sh", ["-c", `command -v ${name}`], { env: { PATH: path } });
  return found.status === 0 ? found.stdout.toString().trim() : null;
}

export async function waitForPort(port: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.once("connect", () => {
        socket.destroy();
        resolve(true);
      });
      socket.once("error", () => resolve(false));
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing listens on port ${port}`);
}

function nginxCommon(directory: string, name: string): string {
  return `worker_processes 1; pid ${directory}/${name}.pid; error_log ${directory}/${name}.err; daemon off;
events { worker_connections 20000; }`;
}

const NGINX_PATHS = (directory: string): string =>
  ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${directory}/${kind};`)
    .join(" ");

/** Where the gRPC service listens, from the upstream's port on. */
export const GRPC_OFFSET = 50;
/** "hello" with its prefix. */
const GRPC_MESSAGE = Buffer.from("\0\0\0\0\x05hello", "latin1");

/** nginx serving one file of `bodyBytes` bytes; on the next port, over HTTP/2, a unary gRPC service. */
export function startUpstream(directory: string, port: number, bodyBytes: number): RunningPeer {
  const nginx = program("nginx");
  if (nginx === null) throw new Error("the benchmark needs nginx as its upstream");
  const root = join(directory, `root-${bodyBytes}`);
  mkdirSync(root, { recursive: true });
  // nginx reads it as a user of its own.
  chmodSync(directory, 0o755);
  writeFileSync(join(root, "index.html"), "x".repeat(bodyBytes));
  writeFileSync(join(root, "message"), GRPC_MESSAGE);
  const name = `upstream-${port}`;
  const config = join(directory, `${name}.conf`);
  writeFileSync(
    config,
    `${nginxCommon(directory, name)}
http { ${NGINX_PATHS(directory)} access_log off; sendfile on; keepalive_requests 1000000000; open_file_cache max=10;
server { listen 127.0.0.1:${port} backlog=4096; root ${root}; location / { try_files /index.html =404; } }
server { listen 127.0.0.1:${port + GRPC_OFFSET} http2 backlog=4096; root ${root}; default_type application/grpc; add_trailer grpc-status 0;
http2_max_concurrent_streams 1000; error_page 405 =200 /message; location / { return 405; } location = /message { } } }`,
  );
  const child = spawn(nginx, ["-p", directory, "-c", config], { stdio: "ignore" });
  return { name, port, process: child };
}

export interface PeerOptions {
  readonly directory: string;
  readonly port: number;
  readonly upstreamPort: number;
  readonly scenario: Scenario;
  /** PEM files for TLS scenarios. */
  readonly certificate: string;
  readonly key: string;
  /** `dist/` of the build under test. */
  readonly buildRoot: string;
  /** Folder of the Rust filters. */
  readonly filterFolder: string;
}

export function startNginx(options: PeerOptions): RunningPeer | null {
  const nginx = program("nginx");
  if (nginx === null) return null;
  const { directory, port, upstreamPort, scenario } = options;
  const name = `nginx-${port}`;
  const config = join(directory, `${name}.conf`);
  const tls = scenario.tls
    ? `ssl_certificate ${options.certificate}; ssl_certificate_key ${options.key};`
    : "";
  const headers =
    scenario.filters > 0
      ? "proxy_set_header x-granary-request 1; add_header x-granary-filter rust;"
      : "";
  writeFileSync(
    config,
    `${nginxCommon(directory, name)}
http { ${NGINX_PATHS(directory)} access_log ${scenario.logs === true ? `${directory}/${name}.log` : "off"}; keepalive_requests 1000000000;
upstream up { server 127.0.0.1:${upstreamPort}; keepalive 1024; keepalive_requests 1000000000; }
server { listen 127.0.0.1:${port} ${scenario.tls ? "ssl" : ""} backlog=4096; ${tls}
location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; ${headers} } } }`,
  );
  const child = spawn(nginx, ["-p", directory, "-c", config], { stdio: "ignore" });
  return { name: "nginx", port, process: child };
}

export function startHaproxy(options: PeerOptions): RunningPeer | null {
  const haproxy = program("haproxy");
  if (haproxy === null) return null;
  const { directory, port, upstreamPort, scenario } = options;
  const config = join(directory, `haproxy-${port}.cfg`);
  const pem = join(directory, "haproxy.pem");
  const tls = scenario.tls ? ` ssl crt ${pem}` : "";
  const headers =
    scenario.filters > 0
      ? "http-request add-header x-granary-request 1\n http-response add-header x-granary-filter rust"
      : "";
  writeFileSync(
    config,
    `global\n nbthread 1\n maxconn 4000\ndefaults\n mode http\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n http-reuse always
frontend f\n bind 127.0.0.1:${port}${tls}\n ${headers}\n default_backend b\nbackend b\n server s 127.0.0.1:${upstreamPort}\n`,
  );
  const child = spawn(haproxy, ["-db", "-f", config], { stdio: "ignore" });
  return { name: "haproxy", port, process: child };
}

const TYPE = "type.googleapis.com/envoy.extensions";

const H2 = `typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {"@type": ${TYPE}.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: {}}}}`;
const LIMITS = ["connections", "pending_requests", "requests"];
const THRESHOLDS = LIMITS.map((name) => `max_${name}: 50000`).join(", ");
const UNLIMITED = `circuit_breakers: {thresholds: [{${THRESHOLDS}}]}`;

/** A cluster with one endpoint, as an item of YAML. */
function clusterText(name: string, port: number, protocol: "http1" | "http2"): string {
  const more = protocol === "http2" ? `${UNLIMITED}, ${H2}` : UNLIMITED;
  const address = `{socket_address: {address: 127.0.0.1, port_value: ${port}}}`;
  return `  - {name: ${name}, type: STATIC, load_assignment: {cluster_name: ${name}, endpoints: [{lb_endpoints: [{endpoint: {address: ${address}}}]}]}, ${more}}\n`;
}

/** The configuration that Granary and Envoy both run. */
function writeBootstrap(options: PeerOptions): string {
  const { directory, port, upstreamPort, scenario } = options;
  const config = join(directory, `bootstrap-${port}.yaml`);
  const name = scenario.filter ?? "add-header";
  const configuration =
    scenario.configuration === undefined
      ? ""
      : `, configuration: {"@type": type.googleapis.com/google.protobuf.StringValue, value: "${scenario.configuration}"}`;
  const filterFile = join(options.filterFolder, name, `${name}.wasm`);
  const wasm = `{name: bench, typed_config: {"@type": ${TYPE}.filters.http.wasm.v3.Wasm, config: {name: bench${configuration}, vm_config: {runtime: envoy.wasm.runtime.v8, code: {local: {filename: "${filterFile}"}}}}}}`;
  const router = `{name: envoy.filters.http.router, typed_config: {"@type": ${TYPE}.filters.http.router.v3.Router}}`;
  const tap = `{name: tap, typed_config: {"@type": ${TYPE}.filters.http.tap.v3.Tap, common_config: {static_config: {match: {http_request_headers_match: {headers: [{name: x-tap, present_match: true}]}}, output_config: {max_buffered_rx_bytes: 65536, max_buffered_tx_bytes: 65536, sinks: [{file_per_tap: {path_prefix: "${directory}/tap"}}]}}}}}`;
  const before = scenario.taps === true ? [tap] : [];
  const plugins = new Array<string>(scenario.filters).fill(wasm);
  const filters = [...before, ...plugins, router].join(", ");
  const { service } = scenario;
  const upText = clusterText("up", upstreamPort, scenario.upstream ?? "http1");
  const serviceText =
    service === undefined ? "" : clusterText("service", service.port, service.protocol);
  const tls = scenario.tls
    ? `\n      transport_socket: {name: tls, typed_config: {"@type": ${TYPE}.transport_sockets.tls.v3.DownstreamTlsContext, common_tls_context: {tls_certificates: [{certificate_chain: {filename: "${options.certificate}"}, private_key: {filename: "${options.key}"}}]}}}`
    : "";
  const logs =
    scenario.logs === true
      ? `, access_log: [{name: file, typed_config: {"@type": ${TYPE}.access_loggers.file.v3.FileAccessLog, path: "${directory}/access-${port}.log"}}]`
      : "";
  writeFileSync(
    config,
    `static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: ${port}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config: {"@type": ${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: main, route_config: {virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: up}}]}]}, http_filters: [${filters}]${logs}}${tls}
  clusters:
${upText}${serviceText}`,
  );
  return config;
}

/** One silo. */
export function startGranary(options: PeerOptions, transport: string): RunningPeer {
  const config = writeBootstrap(options);
  const { port } = options;
  const main = join(options.buildRoot, "../bin/granary.mjs");
  const args = [main, "-c", config, "--concurrency", "1", "--transport", transport, "-l", "error"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit"] });
  return { name: `granary ${transport}`, port, process: child };
}

/** One worker thread; null when it is not installed. */
export function startEnvoy(options: PeerOptions): RunningPeer | null {
  const envoy = program("envoy");
  if (envoy === null) return null;
  const config = writeBootstrap(options);
  const args = ["-c", config, "--concurrency", "1", "-l", "off", "--use-dynamic-base-id"];
  const child = spawn(envoy, args, { stdio: "ignore" });
  return { name: "envoy", port: options.port, process: child };
}
