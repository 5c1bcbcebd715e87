/**
 * What a listener's configuration asks for that uWebSockets.js cannot do. Pure.
 */
import type { ListenerConfig } from "../config/types.ts";

/** Why uWS cannot serve `listener` as its configuration says, or null. */
export function uwsFault(listener: ListenerConfig): string | null {
  const [chain, ...others] = listener.filterChains;
  if (others.length > 0 || (chain !== undefined && chain.match !== null)) {
    return "uWS cannot choose between filter chains";
  }
  if (chain?.kind === "tcp") return "uWS speaks HTTP only";
  if (listener.listenerFilters.proxyProtocol !== null) return "uWS would believe any PROXY header";
  // It tells of a request when its head is complete.
  if ((chain?.http.requestHeadersTimeoutMs ?? 0) > 0) {
    return "uWS cannot keep request_headers_timeout";
  }
  if (chain?.http.codec === "http2") return "uWS does not speak HTTP/2";
  const tls = chain?.tls ?? null;
  if (tls === null) return null;
  if (tls.certificates.length !== 1) return "uWS serves one certificate per listener only";
  if (tls.clientCa !== null || tls.requireClientCertificate) {
    return "uWS cannot verify client certificates as configured";
  }
  if (tls.alpn.includes("h2")) return "uWS does not speak HTTP/2";
  // uWS offers TLS 1.2 and 1.3, always.
  if (tls.minVersion === "TLSv1.3" || tls.maxVersion !== "TLSv1.3") {
    return "uWS cannot restrict the TLS versions";
  }
  return null;
}
