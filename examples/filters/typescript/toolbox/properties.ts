/** Properties that the case `properties` reads, and how they become text. */
import type { Properties } from "granary";

export interface PropertyRow {
  readonly name: string;
  readonly path: readonly string[];
  /** `clock`: only whether it is positive, as the value differs on every run. */
  readonly kind: "text" | "int" | "bool" | "clock";
}

const row = (name: string, path: string, kind: PropertyRow["kind"] = "text"): PropertyRow => ({
  name,
  path: path.split("."),
  kind,
});

/** Read in the request headers handler. */
export const OF_REQUEST: readonly PropertyRow[] = [
  row("path", "request.path"),
  row("url-path", "request.url_path"),
  row("query", "request.query"),
  row("host", "request.host"),
  row("scheme", "request.scheme"),
  row("method", "request.method"),
  row("protocol", "request.protocol"),
  row("useragent", "request.useragent"),
  row("referer", "request.referer"),
  row("header", "request.headers.x-test"),
  row("size", "request.size", "int"),
  row("time", "request.time", "clock"),
  row("source-address", "source.address"),
  row("source-port", "source.port", "int"),
  row("destination-address", "destination.address"),
  row("destination-port", "destination.port", "int"),
  row("connection-id", "connection.id", "int"),
  row("connection-mtls", "connection.mtls", "bool"),
  row("tls-version", "connection.tls_version"),
  row("plugin-name", "plugin_name"),
  row("plugin-root-id", "plugin_root_id"),
  row("plugin-vm-id", "plugin_vm_id"),
  row("node-id", "xds.node.id"),
  row("node-cluster", "xds.node.cluster"),
  row("direction", "xds.listener_direction", "int"),
  row("cluster", "xds.cluster_name"),
  row("route", "xds.route_name"),
  row("unknown", "no.such.property"),
];

/** Read in the response headers handler. */
export const OF_RESPONSE: readonly PropertyRow[] = [
  row("upstream-address", "upstream.address"),
  row("upstream-port", "upstream.port", "int"),
  row("response-header", "response.headers.x-replace"),
];

/** The property as text, `-` when there is none. */
export function readProperty(properties: Properties, { path, kind }: PropertyRow): string {
  switch (kind) {
    case "text":
      return properties.text(...path) ?? "-";
    case "bool":
      return String(properties.boolean(...path) ?? "-");
    case "int":
      return String(properties.number(...path) ?? "-");
    case "clock": {
      const time = properties.number(...path);
      return time === null ? "-" : time > 0 ? "set" : "zero";
    }
  }
}
