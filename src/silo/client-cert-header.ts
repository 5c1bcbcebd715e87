/**
 * `x-forwarded-client-cert`: what the upstream is told about the client's certificate. By default
 * the header of the client is taken out, because anybody can write one. Source: Envoy, HTTP header
 * manipulation, x-forwarded-client-cert.
 */
import type { ForwardClientCertConfig } from "../config/types.ts";
import type { HeaderMap } from "../http/header-map.ts";
import type { TlsInfo } from "../net/types.ts";

const NAME = "x-forwarded-client-cert";

/** @param tls of the client's connection, null in plaintext */
export function forwardClientCert(
  headers: HeaderMap,
  tls: TlsInfo | null,
  config: ForwardClientCertConfig,
): void {
  if (config.mode === "alwaysForward") return;
  if (tls === null || tls.peer === null || config.mode === "sanitize") {
    headers.remove(NAME);
    return;
  }
  if (config.mode === "forward") return;
  const element = elementOf(tls, config);
  if (config.mode === "set") headers.remove(NAME);
  if (element === "") return;
  const before = headers.get(NAME);
  headers.set(NAME, before === null ? element : `${before},${element}`);
}

function elementOf({ peer, local }: TlsInfo, { show }: ForwardClientCertConfig): string {
  if (peer === null) return "";
  const parts: string[] = [];
  for (const uri of local?.uriSans ?? []) parts.push(`By=${uri}`);
  if (peer.sha256Hex !== "") parts.push(`Hash=${peer.sha256Hex}`);
  if (show.cert) parts.push(`Cert="${encodeURIComponent(peer.pem)}"`);
  if (show.subject) parts.push(`Subject="${peer.subject.replaceAll('"', '\\"')}"`);
  if (show.uri) for (const uri of peer.uriSans) parts.push(`URI=${uri}`);
  if (show.dns) for (const name of peer.dnsSans) parts.push(`DNS=${name}`);
  return parts.join(";");
}
