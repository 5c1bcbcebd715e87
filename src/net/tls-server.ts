/**
 * TLS for accepted connections: contexts from the configuration, choice of certificate by server
 * name, and the check of client certificates. Set-up time only, but for the handshake itself.
 */
import { X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext, type TLSSocket } from "node:tls";
import type { CertificatePair, DownstreamTlsConfig } from "../config/types.ts";

type SniCallback = (
  serverName: string,
  done: (error: Error | null, context?: SecureContext) => void,
) => void;

export interface TlsServerContext {
  readonly secureContext: SecureContext;
  readonly sniCallback: SniCallback;
  /** Protocols offered by ALPN; empty = the extension is not answered. */
  readonly alpn: readonly string[];
  readonly clientCertificate: "none" | "optional" | "required";
}

interface NamedContext {
  readonly certificate: X509Certificate;
  readonly context: SecureContext;
}

/**
 * Throws on certificates or keys that OpenSSL refuses.
 * @param h2 whether HTTP/2 may be agreed on, where the configuration offers it
 */
export function createTlsServerContext(
  config: DownstreamTlsConfig,
  h2: "h2" | "noH2" = "noH2",
): TlsServerContext {
  const named = config.certificates.map((pair) => ({
    certificate: new X509Certificate(pair.certificatePem),
    context: contextOf(config, pair),
  }));
  const first = named[0];
  if (first === undefined) throw new Error("a TLS context needs at least one certificate");
  return {
    secureContext: first.context,
    sniCallback: (serverName, done) => done(null, contextFor(named, serverName) ?? first.context),
    // A client that sees "h2" accepted speaks it.
    alpn: config.alpn.filter((protocol) => h2 === "h2" || protocol !== "h2"),
    clientCertificate: clientCertificateOf(config),
  };
}

function clientCertificateOf(config: DownstreamTlsConfig): TlsServerContext["clientCertificate"] {
  if (config.requireClientCertificate) return "required";
  return config.clientCa === null ? "none" : "optional";
}

function contextFor(named: readonly NamedContext[], serverName: string): SecureContext | null {
  const exact = named.find(({ certificate }) => certificate.checkHost(serverName) !== undefined);
  return exact?.context ?? null;
}

function contextOf(config: DownstreamTlsConfig, pair: CertificatePair): SecureContext {
  return createSecureContext({
    cert: pair.certificatePem,
    key: pair.privateKeyPem,
    ...(pair.passphrase === null ? {} : { passphrase: pair.passphrase }),
    ...(config.clientCa === null ? {} : { ca: config.clientCa }),
    ...(config.ciphers === "" ? {} : { ciphers: config.ciphers }),
    minVersion: config.minVersion,
    maxVersion: config.maxVersion,
    // Without it OpenSSL refuses to resume sessions of clients with certificates.
    sessionIdContext: "granary",
  });
}

interface VerifyingHandle {
  verifyError?: () => Error | null | undefined;
}

/**
 * Why the client's certificate must be refused after the handshake, or null. Node verifies the
 * chain
 * during the handshake but leaves the verdict to the server.
 */
export function clientCertificateFault(socket: TLSSocket, context: TlsServerContext): Error | null {
  if (context.clientCertificate === "none") return null;
  if (socket.getPeerX509Certificate() === undefined) {
    return context.clientCertificate === "optional" ? null : new Error("no client certificate");
  }
  const handle = (socket as unknown as { _handle: VerifyingHandle | null })._handle;
  if (typeof handle?.verifyError !== "function") return new Error("client cannot be verified");
  return handle.verifyError() ?? null;
}
