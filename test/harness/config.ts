/**
 * Short ways to write bootstrap configurations in tests.
 */
import { SERVER_IDENTITY } from "./test-certificates.ts";

/**
 * A port that nobody listens on: the loopback's tcpmux port. One that the kernel gave and took back
 * may be another test's the next moment.
 */
export const CLOSED_PORT = 1;

export interface ListenerParts {
  readonly name?: string;
  /** YAML flow text of further HttpConnectionManager fields, e.g. `server_name: x, via: y`. */
  readonly hcm?: string;
  /** YAML flow text of the routes list. */
  readonly routes?: string;
  /** YAML flow texts of filters before the router. */
  readonly filters?: readonly string[];
  /** YAML flow text of further virtual host fields. */
  readonly virtualHost?: string;
  /** YAML flow text of further listener fields. */
  readonly listener?: string;
}

const TYPE = "type.googleapis.com/envoy.extensions.filters";

export function listener(parts: ListenerParts = {}): string {
  const router = `{name: envoy.filters.http.router, typed_config: {"@type": ${TYPE}.http.router.v3.Router}}`;
  const filters = [...(parts.filters ?? []), router].join(", ");
  const given = parts.routes ?? "[{match: {prefix: /}, route: {cluster: upstream}}]";
  // Flow text of several lines would need the indentation of its place.
  const routes = given.replace(/\s*\n\s*/g, " ");
  const host = `{name: all, domains: ["*"], routes: ${routes}${parts.virtualHost ? `, ${parts.virtualHost}` : ""}}`;
  return `  - name: ${parts.name ?? "main"}
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
${parts.listener ? `    ${parts.listener}\n` : ""}    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config: {"@type": ${TYPE}.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: ${parts.name ?? "main"}, ${parts.hcm ? `${parts.hcm}, ` : ""}route_config: {name: local, virtual_hosts: [${host}]}, http_filters: [${filters}]}
`;
}

/** The same with a certificate of its own. */
export function tlsListener(parts: ListenerParts = {}): string {
  const type = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";
  const pem = (text: string): string => `{inline_string: ${JSON.stringify(text)}}`;
  const { certificatePem, privateKeyPem } = SERVER_IDENTITY;
  const pair = `{certificate_chain: ${pem(certificatePem)}, private_key: ${pem(privateKeyPem)}}`;
  const context = `{"@type": ${type}.DownstreamTlsContext, common_tls_context: {tls_certificates: [${pair}]}}`;
  const socket = `{name: envoy.transport_sockets.tls, typed_config: ${context}}`;
  return listener(parts).replace(
    "    - filters:",
    `    - transport_socket: ${socket}\n      filters:`,
  );
}

export function cluster(name: string, port: number, more = ""): string {
  const endpoint = `{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: ${port}}}}}`;
  return `  - {name: ${name}, type: STATIC, load_assignment: {cluster_name: ${name}, endpoints: [{lb_endpoints: [${endpoint}]}]}${more ? `, ${more}` : ""}}
`;
}

export function bootstrap(listeners: readonly string[], clusters: readonly string[]): string {
  return `static_resources:\n  listeners:\n${listeners.join("")}  clusters:\n${clusters.join("")}`;
}

/** A wasm filter entry. `code`: YAML flow text of the `local` data source. */
export function wasmFilter(options: {
  readonly name: string;
  readonly code: string;
  readonly more?: string;
  readonly configuration?: string;
}): string {
  const value = options.configuration;
  const configuration =
    value === undefined
      ? ""
      : `, configuration: {"@type": type.googleapis.com/google.protobuf.StringValue, value: ${JSON.stringify(value)}}`;
  return `{name: ${options.name}, typed_config: {"@type": ${TYPE}.http.wasm.v3.Wasm, config: {name: ${options.name}${options.more ? `, ${options.more}` : ""}${configuration}, vm_config: {runtime: envoy.wasm.runtime.v8, code: {local: ${options.code}}}}}}`;
}
