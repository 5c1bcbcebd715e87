/**
 * TLS towards upstreams: context from the configuration, and the checks of the peer's certificate
 * that Envoy's validation context asks for. Set-up time only, but for the handshake itself.
 */
import { createSecureContext, type SecureContext, type TLSSocket } from "node:tls";
import type { StringMatchConfig, UpstreamTlsConfig } from "../config/types.ts";
import { subjectAltNames } from "./tls-info.ts";

/** Does `value` match? The matcher lives above this folder. */
export type SanMatcher = (match: StringMatchConfig, value: string) => boolean;

/** Shared by all connections of a cluster. */
export interface TlsClientContext {
  readonly secureContext: SecureContext;
  readonly verifiesChain: boolean;
  readonly alpn: readonly string[];
  readonly config: UpstreamTlsConfig;
  readonly matches: SanMatcher;
}

export interface TlsClientOptions {
  readonly context: TlsClientContext;
  /** SNI; "" = none is sent. */
  readonly serverName: string;
}

/** Throws on certificates or keys that OpenSSL refuses. */
export function createTlsClientContext(
  config: UpstreamTlsConfig,
  matches: SanMatcher,
): TlsClientContext {
  const pair = config.certificates[0];
  const secureContext = createSecureContext({
    ...(pair === undefined ? {} : { cert: pair.certificatePem, key: pair.privateKeyPem }),
    ...(pair?.passphrase ? { passphrase: pair.passphrase } : {}),
    ...(config.trustedCa === null ? {} : { ca: config.trustedCa }),
    ...(config.ciphers === "" ? {} : { ciphers: config.ciphers }),
    minVersion: config.minVersion,
    maxVersion: config.maxVersion,
  });
  const verifiesChain = config.trustedCa !== null;
  return { secureContext, verifiesChain, alpn: config.alpn, config, matches };
}

/** Node's prefixes of alternative names by Envoy's `san_type`. */
const SAN_PREFIX: Readonly<Record<string, string>> = {
  DNS: "DNS",
  URI: "URI",
  EMAIL: "email",
  IP_ADDRESS: "IP Address",
};

/** Why the peer must be refused after the handshake, or null. */
export function peerFault(socket: TLSSocket, context: TlsClientContext): Error | null {
  const { certificateHashes, subjectAltNames: wanted } = context.config;
  if (certificateHashes.length === 0 && wanted.length === 0) return null;
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return new Error("TLS: the peer has no certificate");
  const hash = plainHex(certificate.fingerprint256);
  if (certificateHashes.length > 0 && !certificateHashes.map(plainHex).includes(hash)) {
    return new Error("TLS: verify_certificate_hash does not match");
  }
  if (wanted.length === 0) return null;
  const names = subjectAltNames(certificate.subjectAltName ?? "");
  const found = wanted.some(({ sanType, match }) =>
    names.some((name) => name[0] === SAN_PREFIX[sanType] && context.matches(match, name[1])),
  );
  return found ? null : new Error("TLS: no subject alternative name matches");
}

function plainHex(hash: string): string {
  return hash.replaceAll(":", "").toLowerCase();
}
