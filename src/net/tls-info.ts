/**
 * What a finished TLS handshake tells, in the form that `connection.*` attributes need.
 */
import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { CertificateInfo, TlsInfo } from "./types.ts";

/** Reads everything once; the socket is past its handshake. */
export function tlsInfoOf(socket: TLSSocket): TlsInfo {
  const serverName: unknown = (socket as { servername?: unknown }).servername;
  const alpn = socket.alpnProtocol;
  return {
    version: socket.getProtocol() ?? "",
    cipher: (socket.getCipher() as { name?: string } | undefined)?.name ?? "",
    serverName: typeof serverName === "string" ? serverName : "",
    alpn: typeof alpn === "string" ? alpn : "",
    peer: certificateInfoOf(socket.getPeerX509Certificate()),
    local: certificateInfoOf(socket.getX509Certificate()),
  };
}

export function certificateInfoOf(
  certificate: X509Certificate | undefined,
): CertificateInfo | null {
  if (certificate === undefined) return null;
  const names = subjectAltNames(certificate.subjectAltName ?? "");
  return {
    subject: distinguishedName(certificate.subject),
    dnsSans: namesOf(names, "DNS"),
    uriSans: namesOf(names, "URI"),
    sha256Hex: certificate.fingerprint256.replaceAll(":", "").toLowerCase(),
    pem: certificate.toString(),
  };
}

/** Node gives one escaped RDN per line, most general first; RFC 2253 has commas and the reverse. */
function distinguishedName(subject: string | undefined): string {
  return (subject ?? "").split("\n").reverse().join(",");
}

export type SubjectAltName = readonly [kind: string, value: string];

function namesOf(names: readonly SubjectAltName[], kind: string): string[] {
  return names.filter((name) => name[0] === kind).map((name) => name[1]);
}

/**
 * Splits Node's text of the extension: `DNS:a, URI:b, DNS:"with, comma"`. A quoted value is a JSON
 * string; whatever does not read as one is left out, so that a crafted name is never two names.
 */
export function subjectAltNames(text: string): SubjectAltName[] {
  const names: SubjectAltName[] = [];
  const part = /\s*([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:,|$)/gy;
  for (let match = part.exec(text); match !== null && match[0] !== ""; match = part.exec(text)) {
    const value = unquoted(match[2] ?? "");
    if (value !== null) names.push([match[1] ?? "", value]);
  }
  return names;
}

function unquoted(value: string): string | null {
  if (!value.startsWith('"')) return value;
  try {
    const parsed: unknown = JSON.parse(value);
    return typeof parsed === "string" ? parsed : null;
  } catch {
    return null;
  }
}
