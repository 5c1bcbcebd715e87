/** Chains of network filters: tcp_proxy and what stands before it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { formatProblems } from "../../../src/config/load.ts";
import type { TcpChainConfig } from "../../../src/config/types.ts";
import { LOGGERS, load } from "./bootstrap-text.ts";

const E = "type.googleapis.com/envoy.extensions.filters.network.";
const PLUGIN = "{name: p, vm_config: {code: {local: {filename: ok.wasm}}}}";
const WASM = `{name: w, typed_config: {"@type": ${E}wasm.v3.Wasm, config: ${PLUGIN}}}`;
const tcp = (fields: string): string =>
  `{name: t, typed_config: {"@type": ${E}tcp_proxy.v3.TcpProxy, stat_prefix: t, ${fields}}}`;
const HCM = `{name: h, typed_config: {"@type": ${E}http_connection_manager.v3.HttpConnectionManager, stat_prefix: h, route_config: {}, http_filters: [{name: r, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]}}`;

const text = (...filters: readonly string[]): string => `static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains: [{filters: [${filters.join(", ")}]}]
  clusters:
  - {name: a, type: STATIC, load_assignment: {cluster_name: a}}
  - {name: b, type: STATIC, load_assignment: {cluster_name: b}}
`;

function chain(...filters: readonly string[]): TcpChainConfig {
  const { config, problems } = load(text(...filters));
  assert.equal(formatProblems(problems), "");
  const found = config?.listeners[0]?.filterChains[0];
  assert.equal(found?.kind, "tcp");
  return found as TcpChainConfig;
}

const problem = (...filters: readonly string[]): string =>
  formatProblems(load(text(...filters)).problems);

describe("tcp_proxy", () => {
  test("has Envoy's defaults", () => {
    const { filters, proxy } = chain(tcp("cluster: a")).tcp;
    assert.deepEqual(
      [filters, proxy],
      [
        [],
        {
          statPrefix: "t",
          clusters: [{ cluster: "a", weight: 1 }],
          totalWeight: 1,
          idleTimeoutMs: 3_600_000,
          maxConnectionDurationMs: 0,
          maxConnectAttempts: 1,
          accessLogs: [],
          accessLogPlugins: [],
        },
      ],
    );
  });

  test("reads each field", () => {
    const log = `{name: l, typed_config: {"@type": ${LOGGERS}stream.v3.StdoutAccessLog}}`;
    const logger = `{name: w, typed_config: {"@type": ${LOGGERS}wasm.v3.WasmAccessLog, config: ${PLUGIN}}}`;
    const weighted = "weighted_clusters: {clusters: [{name: a, weight: 1}, {name: b, weight: 3}]}";
    const { proxy } = chain(
      tcp(
        `${weighted}, idle_timeout: 2s, max_connect_attempts: 4, max_downstream_connection_duration: 5s, access_log: [${log}, ${logger}]`,
      ),
    ).tcp;
    assert.deepEqual([proxy.clusters.length, proxy.totalWeight], [2, 4]);
    assert.deepEqual([proxy.idleTimeoutMs, proxy.maxConnectAttempts], [2_000, 4]);
    assert.equal(proxy.maxConnectionDurationMs, 5_000);
    assert.deepEqual([proxy.accessLogs.length, proxy.accessLogPlugins[0]?.name], [1, "p"]);
  });

  test("stands behind any number of Wasm filters", () => {
    const { filters } = chain(WASM, WASM, tcp("cluster: a")).tcp;
    assert.deepEqual(
      filters.map(({ name }) => name),
      ["p", "p"],
    );
  });

  test("names clusters that exist", () => {
    assert.match(problem(tcp("cluster: nobody")), /there is no cluster "nobody"/);
    const weighted = "weighted_clusters: {clusters: [{name: nobody, weight: 1}]}";
    assert.match(problem(tcp(weighted)), /clusters\[0\].name.*nobody/s);
  });

  test("is the last filter, and alone of its kind", () => {
    assert.match(problem(WASM), /the last network filter must be a TcpProxy/);
    assert.match(problem(tcp("cluster: a"), tcp("cluster: a")), /cannot stand in one chain/);
    const before = /network filters before an HttpConnectionManager are not implemented/;
    assert.match(problem(WASM, HCM), before);
    assert.match(problem(tcp("cluster: a"), HCM), before);
  });

  test("refuses what no code applies", () => {
    const fields = "cluster: a, tunneling_config: {hostname: h}";
    assert.match(problem(tcp(fields)), /tunneling_config/);
  });
});
