/**
 * Which filter chain serves a connection: Envoy's order of criteria, at each of which the most
 * specific match wins and the others are out, without coming back to them. Compiled once; asked
 * per connection. Source: Envoy, config.listener.v3.FilterChainMatch.
 */
import type { FilterChainConfig, FilterChainMatchConfig } from "../../config/types.ts";
import { addressBytes, Cidr } from "../../net/cidr.ts";

/** What is known of a connection before it is served. */
export interface ConnectionFacts {
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** The peer's own address, whatever a PROXY header said. */
  readonly directAddress: string;
  /** Lower-case; "" = none. */
  readonly serverName: string;
  readonly transport: "tls" | "raw_buffer";
  /** ALPN, or what an HTTP inspector saw. */
  readonly protocols: readonly string[];
}

/** -1 = does not match; 0 = the chain does not ask; above, the more specific the higher. */
type Score = (chain: CompiledMatch, facts: ConnectionFacts) => number;

interface CompiledMatch {
  readonly index: number;
  readonly match: FilterChainMatchConfig;
  readonly prefixes: readonly Cidr[];
  readonly directSources: readonly Cidr[];
  readonly sources: readonly Cidr[];
}

const ANY: FilterChainMatchConfig = {
  destinationPort: -1,
  prefixRanges: [],
  serverNames: [],
  transportProtocol: "",
  applicationProtocols: [],
  directSourceRanges: [],
  sourceType: "any",
  sourceRanges: [],
  sourcePorts: [],
};

const SCORES: readonly Score[] = [
  ({ match }, facts) =>
    asked(match.destinationPort >= 0, match.destinationPort === facts.localPort),
  ({ prefixes }, facts) => rangeScore(prefixes, facts.localAddress),
  ({ match }, facts) => nameScore(match.serverNames, facts.serverName),
  ({ match }, facts) =>
    asked(match.transportProtocol !== "", match.transportProtocol === facts.transport),
  ({ match }, facts) => protocolScore(match.applicationProtocols, facts.protocols),
  ({ directSources }, facts) => rangeScore(directSources, facts.directAddress),
  ({ match }, facts) =>
    asked(match.sourceType !== "any", (match.sourceType === "local") === isLocal(facts)),
  ({ sources }, facts) => rangeScore(sources, facts.remoteAddress),
  ({ match }, facts) =>
    asked(match.sourcePorts.length > 0, match.sourcePorts.includes(facts.remotePort)),
];

export class ChainChoice {
  readonly #chains: readonly CompiledMatch[];
  readonly #default: number;

  constructor(chains: readonly FilterChainConfig[]) {
    this.#default = chains.findIndex((chain) => chain.isDefault);
    this.#chains = chains.flatMap((chain, index) =>
      chain.isDefault ? [] : [compileMatch(chain.match ?? ANY, index)],
    );
  }

  /** The index of the chain; the default chain's where no other matches; -1 = none at all. */
  choose(facts: ConnectionFacts): number {
    let left = this.#chains;
    for (const score of SCORES) {
      if (left.length === 0) break;
      left = best(left, score, facts);
    }
    return left[0]?.index ?? this.#default;
  }
}

function best(
  chains: readonly CompiledMatch[],
  score: Score,
  facts: ConnectionFacts,
): readonly CompiledMatch[] {
  let most = 0;
  let found: CompiledMatch[] = [];
  for (const chain of chains) {
    const value = score(chain, facts);
    if (value < most) continue;
    if (value > most) found = [];
    most = value;
    found.push(chain);
  }
  return found;
}

function compileMatch(match: FilterChainMatchConfig, index: number): CompiledMatch {
  return {
    index,
    match,
    prefixes: match.prefixRanges.map((range) => new Cidr(range)),
    directSources: match.directSourceRanges.map((range) => new Cidr(range)),
    sources: match.sourceRanges.map((range) => new Cidr(range)),
  };
}

function asked(isAsked: boolean, holds: boolean): number {
  if (!isAsked) return 0;
  return holds ? 1 : -1;
}

function rangeScore(ranges: readonly Cidr[], address: string): number {
  if (ranges.length === 0) return 0;
  const bytes = addressBytes(address);
  if (bytes === null) return -1;
  // A range of length 0 was asked for, and is less than any other.
  const lengths = ranges.filter((range) => range.contains(bytes)).map((range) => range.length + 1);
  return Math.max(-1, ...lengths);
}

function nameScore(names: readonly string[], wanted: string): number {
  if (names.length === 0) return 0;
  let score = -1;
  for (const name of names) {
    if (name === wanted) return Number.MAX_SAFE_INTEGER;
    const suffix = name.startsWith("*.") ? name.slice(1) : null;
    if (suffix !== null && wanted.length > suffix.length && wanted.endsWith(suffix)) {
      score = Math.max(score, suffix.length);
    }
  }
  return score;
}

/** The client's first protocol that a chain asks for decides. */
function protocolScore(asked: readonly string[], offered: readonly string[]): number {
  if (asked.length === 0) return 0;
  const index = offered.findIndex((protocol) => asked.includes(protocol));
  return index < 0 ? -1 : offered.length - index;
}

function isLocal(facts: ConnectionFacts): boolean {
  const { remoteAddress, localAddress } = facts;
  return remoteAddress === localAddress || /^(127\.|::1$|::ffff:127\.)/.test(remoteAddress);
}
