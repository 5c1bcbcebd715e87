// Properties that the case `properties` reads, and how their bytes become text.
import { get_property } from "@gcoredev/proxy-wasm-sdk-as/assembly";

export enum Kind {
  Text,
  Int,
  Bool,
  // Only whether it is there and positive: the value differs on every run.
  Clock,
}

export class Row {
  constructor(
    public name: string,
    public path: string,
    public kind: Kind,
  ) {}
}

// Read in the request headers callback.
export const OF_REQUEST: Row[] = [
  new Row("path", "request\0path", Kind.Text),
  new Row("url-path", "request\0url_path", Kind.Text),
  new Row("query", "request\0query", Kind.Text),
  new Row("host", "request\0host", Kind.Text),
  new Row("scheme", "request\0scheme", Kind.Text),
  new Row("method", "request\0method", Kind.Text),
  new Row("protocol", "request\0protocol", Kind.Text),
  new Row("useragent", "request\0useragent", Kind.Text),
  new Row("referer", "request\0referer", Kind.Text),
  new Row("header", "request\0headers\0x-test", Kind.Text),
  new Row("size", "request\0size", Kind.Int),
  new Row("time", "request\0time", Kind.Clock),
  new Row("source-address", "source\0address", Kind.Text),
  new Row("source-port", "source\0port", Kind.Int),
  new Row("destination-address", "destination\0address", Kind.Text),
  new Row("destination-port", "destination\0port", Kind.Int),
  new Row("connection-id", "connection\0id", Kind.Int),
  new Row("connection-mtls", "connection\0mtls", Kind.Bool),
  new Row("tls-version", "connection\0tls_version", Kind.Text),
  new Row("plugin-name", "plugin_name", Kind.Text),
  new Row("plugin-root-id", "plugin_root_id", Kind.Text),
  new Row("plugin-vm-id", "plugin_vm_id", Kind.Text),
  new Row("node-id", "xds\0node\0id", Kind.Text),
  new Row("node-cluster", "xds\0node\0cluster", Kind.Text),
  new Row("direction", "xds\0listener_direction", Kind.Int),
  new Row("cluster", "xds\0cluster_name", Kind.Text),
  new Row("route", "xds\0route_name", Kind.Text),
  new Row("unknown", "no\0such\0property", Kind.Text),
];

// Read in the response headers callback.
export const OF_RESPONSE: Row[] = [
  new Row("upstream-address", "upstream\0address", Kind.Text),
  new Row("upstream-port", "upstream\0port", Kind.Int),
  new Row("response-header", "response\0headers\0x-replace", Kind.Text),
];

// The property as text, `-` when it is absent or empty (the SDK does not tell these apart), `!`
// when it has another size than its kind.
export function read(path: string, kind: Kind): string {
  const bytes = get_property(path);
  if (bytes.byteLength == 0) return "-";
  const at = changetype<usize>(bytes);
  if (kind == Kind.Text) return String.UTF8.decode(bytes);
  if (kind == Kind.Bool && bytes.byteLength == 1) return load<u8>(at) != 0 ? "true" : "false";
  if (kind == Kind.Int && bytes.byteLength == 8) return load<i64>(at).toString();
  if (kind == Kind.Clock && bytes.byteLength == 8) return load<i64>(at) > 0 ? "set" : "zero";
  return "!";
}
