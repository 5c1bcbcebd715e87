/**
 * TLS of one cluster: the context made once, the options of each endpoint, and how names of a
 * certificate are compared. Handshake time only.
 */
import { isIP } from "node:net";
import type { StringMatchConfig, UpstreamTlsConfig } from "../config/types.ts";
import { StringMatcher } from "../http/string-matcher.ts";
import { createTlsClientContext, type SanMatcher, type TlsClientOptions } from "../net/connect.ts";

/** The words of `src/net` for those of the configuration; `any` stands for each of them. */
const SAN_TYPES: Readonly<Record<string, readonly string[]>> = {
  dns: ["DNS"],
  uri: ["URI"],
  email: ["EMAIL"],
  ip: ["IP_ADDRESS"],
  any: ["DNS", "URI", "EMAIL", "IP_ADDRESS"],
};

/** Gives the TLS options for an endpoint's hostname. Throws on certificates OpenSSL refuses. */
export function createUpstreamTls(
  config: UpstreamTlsConfig,
): (hostname: string) => TlsClientOptions {
  const names = config.subjectAltNames.flatMap(({ sanType, match }) =>
    (SAN_TYPES[sanType] ?? [sanType]).map((word) => ({ sanType: word, match })),
  );
  const context = createTlsClientContext({ ...config, subjectAltNames: names }, createSanMatcher());
  const byName = new Map<string, TlsClientOptions>();
  return (hostname) => {
    const wanted = config.sni !== "" || !config.autoHostSni ? config.sni : hostname;
    // RFC 6066 section 3: a literal address is no server name.
    const serverName = isIP(wanted) === 0 ? wanted : "";
    let options = byName.get(serverName);
    if (options === undefined) {
      options = { context, serverName };
      byName.set(serverName, options);
    }
    return options;
  };
}

/**
 * Compares a name of a certificate with a matcher. As in Envoy an exact matcher is also met by a
 * certificate's wildcard for one label (`*.a.test` for `b.a.test`).
 */
export function createSanMatcher(): SanMatcher {
  const matchers = new Map<StringMatchConfig, StringMatcher>();
  return (match, raw) => {
    const value = plainAddress(raw);
    let matcher = matchers.get(match);
    if (matcher === undefined) {
      matcher = new StringMatcher(match);
      matchers.set(match, matcher);
    }
    if (matcher.matches(value)) return true;
    return match.kind === "exact" && coversByWildcard(value, match.value);
  };
}

function coversByWildcard(pattern: string, name: string): boolean {
  if (!pattern.startsWith("*.")) return false;
  const dot = name.indexOf(".");
  return dot > 0 && name.slice(dot).toLowerCase() === pattern.slice(1).toLowerCase();
}

/** IPv6 addresses of certificates come written out; the configuration has them short. */
function plainAddress(value: string): string {
  return isIP(value) === 6 ? new URL(`http://[${value}]`).hostname.slice(1, -1) : value;
}
