/** Loads texts that are good, and takes out the part that a test is about. */
import assert from "node:assert/strict";
import { formatProblems } from "../../../src/config/load.ts";
import type {
  ClusterConfig,
  ForwardActionConfig,
  GranaryConfig,
  HttpChainConfig,
  HttpConnectionManagerConfig,
  RouteConfig,
  WasmFilterConfig,
} from "../../../src/config/types.ts";
import type { Holes } from "./bootstrap-text.ts";
import { bootstrapText, load } from "./bootstrap-text.ts";
import { route } from "./problem-rows.ts";

export function good(holes: Holes | string, overlay?: string): GranaryConfig {
  const text = typeof holes === "string" ? holes : bootstrapText(holes);
  const { config, problems } = load(text, overlay);
  assert.equal(formatProblems(problems), "");
  assert.ok(config);
  return config;
}

export function hcm(holes: Holes): HttpConnectionManagerConfig {
  const chain = good(holes).listeners[0]?.filterChains[0];
  assert.equal(chain?.kind, "http");
  return (chain as HttpChainConfig).http;
}

export function firstRoute(holes: Holes): RouteConfig {
  const found = hcm(holes).routes.virtualHosts[0]?.routes[0];
  assert.ok(found);
  return found;
}

export function forward(fields: string): ForwardActionConfig {
  const { action } = firstRoute(route(fields));
  assert.equal(action.kind, "route");
  return action as ForwardActionConfig;
}

export function cluster(fields: string): ClusterConfig {
  const found = good({ cluster: fields }).clusters[0];
  assert.ok(found);
  return found;
}

export function wasm(holes: Holes): WasmFilterConfig {
  const filter = hcm(holes).httpFilters[0];
  assert.equal(filter?.kind, "wasm");
  return filter as WasmFilterConfig;
}
