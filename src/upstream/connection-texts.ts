/**
 * Texts about connections, worded as Envoy does: addresses, and why a transport failed
 * (`%UPSTREAM_TRANSPORT_FAILURE_REASON%` and the local reply's body).
 */

/** `ip:port`, or `[ip]:port` for IPv6. */
export function socketAddressText(ip: string, port: number): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

const ERRNO_TEXTS: Readonly<Record<string, string>> = {
  EADDRNOTAVAIL: "Cannot assign requested address",
  ECONNABORTED: "Software caused connection abort",
  ECONNREFUSED: "Connection refused",
  ECONNRESET: "Connection reset by peer",
  EHOSTUNREACH: "No route to host",
  EMFILE: "Too many open files",
  ENETUNREACH: "Network is unreachable",
  EPIPE: "Broken pipe",
  ETIMEDOUT: "Connection timed out",
};

/**
 * Why the transport failed; "" when the peer just closed. Whatever is no error of the kernel comes
 * from the TLS handshake or the checks behind it.
 */
export function connectFailureText(error: Error | null): string {
  if (error === null) return "";
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  const text = ERRNO_TEXTS[code];
  if (text !== undefined) return `delayed connect error: ${text}`;
  return `TLS_error:|${error.message.trim()}:TLS_error_end`;
}
