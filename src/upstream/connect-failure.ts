/**
 * Texts for `%UPSTREAM_TRANSPORT_FAILURE_REASON%` and the local reply's body, worded as Envoy does.
 */

const ERRNO_TEXTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "Connection refused",
  ECONNRESET: "Connection reset by peer",
  EHOSTUNREACH: "No route to host",
  ENETUNREACH: "Network is unreachable",
  ETIMEDOUT: "Connection timed out",
  EADDRNOTAVAIL: "Cannot assign requested address",
  EPIPE: "Broken pipe",
};

/** Why the transport failed; "" when the peer just closed. */
export function connectFailureText(error: Error | null): string {
  if (error === null) return "";
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  const text = ERRNO_TEXTS[code];
  if (text !== undefined) return `delayed connect error: ${text}`;
  return code === "" || code.startsWith("E") && !code.startsWith("ERR_")
    ? `delayed connect error: ${code === "" ? error.message : code}`
    : `TLS_error:|${error.message}:TLS_error_end`;
}
