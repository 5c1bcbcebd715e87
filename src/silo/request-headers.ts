/**
 * What the connection manager does to headers before the first request filter and after the last
 * response filter: hop-by-hop fields, X-Forwarded-*, request id, server and date. Envoy's defaults.
 * @hot per-request
 */
import { isIP } from "node:net";
import type { HttpConnectionManagerConfig } from "../config/types.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { forwardClientCert } from "./client-cert-header.ts";
import { requestId } from "./request-id.ts";
import type { StreamInfo } from "./stream-info.ts";

/** Envoy strips these where it faces clients itself (`use_remote_address`)... */
const EDGE_ONLY = new Set([
  "x-envoy-decorator-operation",
  "x-envoy-downstream-service-cluster",
  "x-envoy-downstream-service-node",
  "x-envoy-external-address",
  "x-envoy-original-host",
  "x-envoy-original-path",
]);
/** ... and these from every request that does not come from inside. */
const INTERNAL_ONLY = new Set([
  "x-envoy-expected-rq-timeout-ms",
  "x-envoy-force-trace",
  "x-envoy-hedge-on-per-try-timeout",
  "x-envoy-internal",
  "x-envoy-ip-tags",
  "x-envoy-max-retries",
  "x-envoy-original-url",
  "x-envoy-retriable-header-names",
  "x-envoy-retriable-status-codes",
  "x-envoy-retry-grpc-on",
  "x-envoy-retry-on",
  "x-envoy-upstream-alt-stat-name",
  "x-envoy-upstream-rq-per-try-timeout-ms",
  "x-envoy-upstream-rq-timeout-alt-response",
  "x-envoy-upstream-rq-timeout-ms",
]);

/** One pass over the names: most requests have none of these. */
function removeUntrusted(headers: HeaderMap, edge: boolean): void {
  for (let i = headers.count - 1; i >= 0; i--) {
    const name = headers.nameAt(i);
    if (!name.startsWith("x-envoy-")) continue;
    if (INTERNAL_ONLY.has(name) || (edge && EDGE_ONLY.has(name))) headers.removeAt(i);
  }
}

/** Fields of one hop (RFC 9110 section 7.6.1), and what `connection` names besides. */
function removeHopByHop(headers: HeaderMap): void {
  const connection = headers.get("connection");
  if (connection !== null) {
    if (connection !== "keep-alive" && connection !== "close") removeNamed(headers, connection);
    headers.remove("connection");
  }
  headers.remove("transfer-encoding");
  headers.remove("keep-alive");
  headers.remove("proxy-connection");
  headers.remove("upgrade");
}

function removeNamed(headers: HeaderMap, connection: string): void {
  for (const token of connection.split(",")) {
    const name = token.trim().toLowerCase();
    // A client must not be able to strip the fields that carry the message itself.
    if (name === "" || name.startsWith(":") || name === "host" || name === "content-length")
      continue;
    if (name !== "close" && name !== "te") headers.remove(name);
  }
}

function setForwarded(
  headers: HeaderMap,
  info: StreamInfo,
  hcm: HttpConnectionManagerConfig,
): void {
  const peer = info.connection.remoteIp;
  const scheme = info.connection.tls === null ? "http" : "https";
  const before = headers.get("x-forwarded-for");
  removeUntrusted(headers, hcm.useRemoteAddress);
  if (hcm.useRemoteAddress) {
    if (hcm.xffNumTrustedHops > 0 && before !== null) {
      info.remoteIp = trustedClient(before, hcm.xffNumTrustedHops - 1) ?? peer;
    }
    if (!hcm.skipXffAppend) {
      headers.set("x-forwarded-for", before === null || before === "" ? peer : `${before},${peer}`);
    }
    if (hcm.xffNumTrustedHops === 0) headers.set("x-forwarded-proto", scheme);
    headers.set("x-envoy-external-address", info.remoteIp);
  } else if (before !== null) {
    info.remoteIp = trustedClient(before, hcm.xffNumTrustedHops) ?? peer;
  }
  if (!headers.has("x-forwarded-proto")) headers.append("x-forwarded-proto", scheme);
}

/** The address `hops` entries from the right of X-Forwarded-For, or null when it is no address. */
function trustedClient(forwardedFor: string, hops: number): string | null {
  const entries = forwardedFor.split(",");
  const entry = entries[entries.length - 1 - hops]?.trim() ?? "";
  return isIP(entry) === 0 ? null : entry;
}

/** Makes a request ready for the filters. `headers` starts with the four pseudo-headers. */
export function prepareRequest(
  headers: HeaderMap,
  info: StreamInfo,
  hcm: HttpConnectionManagerConfig,
): void {
  removeHopByHop(headers);
  const te = headers.get("te");
  if (te !== null) {
    if (te.toLowerCase() === "trailers") headers.set("te", "trailers");
    else headers.remove("te");
  }
  headers.remove("expect");
  setForwarded(headers, info, hcm);
  forwardClientCert(headers, info.connection.tls, hcm.forwardClientCert);
  if (hcm.generateRequestId) {
    const keep = !hcm.useRemoteAddress || hcm.preserveExternalRequestId;
    if (!keep || !headers.has("x-request-id")) headers.set("x-request-id", requestId());
  }
  if (hcm.via !== "") headers.add("via", hcm.via);
}

/** Makes a response ready for the client. `date`: the present second as an HTTP date. */
export function prepareResponse(
  headers: HeaderMap,
  info: StreamInfo,
  hcm: HttpConnectionManagerConfig,
  date: string,
): void {
  removeHopByHop(headers);
  if (hcm.serverHeader === "overwrite") headers.set("server", hcm.serverName);
  else if (hcm.serverHeader === "appendIfAbsent" && !headers.has("server")) {
    headers.append("server", hcm.serverName);
  }
  if (!headers.has("date")) headers.append("date", date);
  if (hcm.alwaysSetRequestIdInResponse) {
    const id = info.requestHeaders?.get("x-request-id") ?? null;
    if (id !== null) headers.set("x-request-id", id);
  }
  if (hcm.via !== "") headers.add("via", hcm.via);
}
