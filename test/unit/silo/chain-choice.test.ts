import assert from "node:assert/strict";
import { test } from "node:test";
import type { FilterChainConfig, FilterChainMatchConfig } from "../../../src/config/types.ts";
import { ChainChoice, type ConnectionFacts } from "../../../src/silo/downstream/chain-choice.ts";

const NOTHING: FilterChainMatchConfig = {
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

function chain(name: string, match: Partial<FilterChainMatchConfig> | null): FilterChainConfig {
  const whole = match === null ? null : { ...NOTHING, ...match };
  return { name, isDefault: false, match: whole, tls: null } as unknown as FilterChainConfig;
}

const FALLBACK = { ...chain("default", null), isDefault: true };

function choose(chains: readonly FilterChainConfig[], facts: Partial<ConnectionFacts>): string {
  const index = new ChainChoice(chains).choose({
    localAddress: "10.0.0.1",
    localPort: 443,
    remoteAddress: "1.2.3.4",
    remotePort: 999,
    directAddress: "9.9.9.9",
    serverName: "",
    transport: "raw_buffer",
    protocols: [],
    ...facts,
  });
  return chains[index]?.name ?? "none";
}

test("the most specific server name wins", () => {
  const chains = [
    chain("any", null),
    chain("star", { serverNames: ["*.example.com"] }),
    chain("deeper", { serverNames: ["*.a.example.com", "other.test"] }),
    chain("exact", { serverNames: ["b.a.example.com"] }),
  ];
  assert.equal(choose(chains, { serverName: "b.a.example.com" }), "exact");
  assert.equal(choose(chains, { serverName: "c.a.example.com" }), "deeper");
  assert.equal(choose(chains, { serverName: "x.example.com" }), "star");
  assert.equal(choose(chains, { serverName: "example.com" }), "any");
  assert.equal(choose(chains, { serverName: "other.test" }), "deeper");
});

test("an earlier criterion decides, and later ones do not bring back what it ruled out", () => {
  const chains = [
    chain("port", { destinationPort: 443, serverNames: ["a.test"] }),
    chain("name", { serverNames: ["b.test"] }),
    FALLBACK,
  ];
  assert.equal(choose(chains, { serverName: "a.test" }), "port");
  // 443 leaves only the first chain, whose name does not match.
  assert.equal(choose(chains, { serverName: "b.test" }), "default");
  assert.equal(choose(chains, { serverName: "b.test", localPort: 80 }), "name");
});

test("ranges of source and destination: the longest wins", () => {
  const ten = { address: "10.0.0.0", length: 8 };
  const chains = [
    chain("wide", { prefixRanges: [ten], sourceRanges: [{ address: "0.0.0.0", length: 0 }] }),
    chain("narrow", { prefixRanges: [ten], sourceRanges: [{ address: "1.2.0.0", length: 16 }] }),
    chain("direct", { directSourceRanges: [{ address: "9.0.0.0", length: 8 }] }),
  ];
  assert.equal(choose(chains, {}), "narrow");
  assert.equal(choose(chains, { remoteAddress: "8.8.8.8" }), "wide");
  assert.equal(choose(chains, { localAddress: "11.0.0.1" }), "direct");
  assert.equal(choose(chains, { localAddress: "11.0.0.1", directAddress: "8.0.0.1" }), "none");
});

test("transport, protocols, kind of source and source ports are asked for", () => {
  const chains = [
    chain("tls", { transportProtocol: "tls" }),
    chain("h2", { transportProtocol: "tls", applicationProtocols: ["h2"] }),
    chain("h1", { transportProtocol: "tls", applicationProtocols: ["http/1.1"] }),
    chain("plain", { transportProtocol: "raw_buffer", sourceType: "local" }),
    chain("ports", {
      transportProtocol: "raw_buffer",
      sourceType: "external",
      sourcePorts: [7, 8],
    }),
  ];
  assert.equal(choose(chains, { transport: "tls", protocols: ["http/1.1", "h2"] }), "h1");
  assert.equal(choose(chains, { transport: "tls", protocols: ["x"] }), "tls");
  assert.equal(choose(chains, { remoteAddress: "127.0.0.1" }), "plain");
  assert.equal(choose(chains, { remoteAddress: "10.0.0.1" }), "plain");
  assert.equal(choose(chains, { remotePort: 8 }), "ports");
  assert.equal(choose(chains, { remotePort: 9 }), "none");
});

test("a default chain takes what no other matches", () => {
  const chains = [chain("name", { serverNames: ["a.test"] }), FALLBACK];
  assert.equal(choose(chains, { serverName: "a.test" }), "name");
  assert.equal(choose(chains, {}), "default");
  assert.equal(choose([FALLBACK], {}), "default");
});
