/**
 * Names to addresses. `DnsResolver` is what clusters ask; `systemDns` asks the operating system
 * (getaddrinfo, so `/etc/hosts` and `localhost` work) and, where the TTL matters, the name servers.
 */
import dns from "node:dns";
import { isIP } from "node:net";
import type { ClusterConfig } from "../config/types.ts";

type DnsFamily = ClusterConfig["dnsFamily"];

export interface DnsQuery {
  /** A name or an IP literal. */
  readonly host: string;
  readonly family: DnsFamily;
  readonly wantTtl: boolean;
}

/** `addresses`: empty when the name has none of that family, null when the look-up failed. */
export interface DnsAnswer {
  readonly addresses: readonly string[] | null;
  /** Lowest TTL of the records, or -1 when unknown. */
  readonly ttlMs: number;
  /** Why the look-up failed, or "". */
  readonly failure: string;
}

export interface DnsResolver {
  /** Calls `done` once, never from inside `resolve`. */
  resolve(query: DnsQuery, done: (answer: DnsAnswer) => void): void;
}

/**
 * The addresses that a family setting takes from an answer with both kinds. Source: Envoy
 * `DnsLookupFamily`: AUTO is IPv6, or IPv4 where there is none; V4_PREFERRED the other way round.
 */
export function addressesOfFamily(all: readonly string[], family: DnsFamily): readonly string[] {
  const v4 = all.filter((address) => isIP(address) === 4);
  const v6 = all.filter((address) => isIP(address) === 6);
  switch (family) {
    case "v4only":
      return v4;
    case "v6only":
      return v6;
    case "auto":
      return v6.length > 0 ? v6 : v4;
    case "v4preferred":
      return v4.length > 0 ? v4 : v6;
    case "all":
      return [...v4, ...v6];
  }
}

const FAMILY_NUMBER = { v4only: 4, v6only: 6, auto: 0, v4preferred: 0, all: 0 } as const;

/** Resolver of this machine. Thread: any. */
export const systemDns: DnsResolver = {
  resolve(query, done) {
    if (isIP(query.host) !== 0) {
      process.nextTick(done, { addresses: [query.host], ttlMs: -1, failure: "" });
      return;
    }
    const family = FAMILY_NUMBER[query.family];
    // ADDRCONFIG leaves out addresses of a family that this machine has no interface for.
    const hints = family === 0 ? dns.ADDRCONFIG : 0;
    dns.lookup(query.host, { all: true, family, hints, order: "verbatim" }, (error, found) => {
      if (error !== null) {
        const none = error.code === "ENOTFOUND" || error.code === "ENODATA";
        done({ addresses: none ? [] : null, ttlMs: -1, failure: `${error.code ?? error.message}` });
        return;
      }
      const addresses = addressesOfFamily(
        found.map((entry) => entry.address),
        query.family,
      );
      if (query.wantTtl) withTtl(query.host, addresses, done);
      else done({ addresses, ttlMs: -1, failure: "" });
    });
  },
};

/** getaddrinfo gives no TTL: asks the name servers for it; a name they do not know has none. */
function withTtl(
  host: string,
  addresses: readonly string[],
  done: (answer: DnsAnswer) => void,
): void {
  const finish = (error: Error | null, records: readonly { ttl: number }[] | undefined): void => {
    const ttls = error === null ? (records ?? []).map((record) => record.ttl) : [];
    const ttlMs = ttls.length > 0 ? Math.min(...ttls) * 1000 : -1;
    done({ addresses, ttlMs, failure: "" });
  };
  if (isIP(addresses[0] ?? "") === 6) dns.resolve6(host, { ttl: true }, finish);
  else dns.resolve4(host, { ttl: true }, finish);
}
