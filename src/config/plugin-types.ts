/** Wasm plugins and the HTTP filters that they are, compiled. */
import type { IsolationConfig } from "./isolation-types.ts";
import type { HeaderMatchConfig } from "./route-types.ts";
import type { PropertyMessage } from "./types.ts";

export interface WasmFilterConfig {
  readonly kind: "wasm";
  /** Name of the http_filters entry. */
  readonly name: string;
  readonly plugin: PluginConfig;
  /** Only on routes that say so. */
  readonly disabled: boolean;
  /** Null: `plugin` alone serves. */
  readonly versions: FilterVersionsConfig | null;
}

/** Versions of one Wasm filter side by side. */
export interface FilterVersionsConfig {
  /** Empty: the filter's own plugin serves. */
  readonly weighted: readonly FilterVersionConfig[];
  readonly totalWeight: number;
  readonly shadows: readonly ShadowConfig[];
}
export interface FilterVersionConfig {
  /** In the names of its stats. */
  readonly name: string;
  readonly plugin: PluginConfig;
  readonly weight: number;
  /** Requests that match all of them get this version; empty = none do. */
  readonly headers: readonly HeaderMatchConfig[];
}
/** A version that runs beside the one that serves and changes nothing. */
export interface ShadowConfig {
  readonly name: string;
  readonly plugin: PluginConfig;
  /** 0..1 of the requests. */
  readonly share: number;
}

/** What a route says about a Wasm filter. */
export interface FilterOverride {
  /** Name of the http_filters entry. */
  readonly filter: string;
  /** Null = left out. */
  readonly plugin: PluginConfig | null;
}

export type FailurePolicy = "closed" | "open" | "reload";
/** A shadow's calls to the world outside its stream reach nothing. */
export type PluginMode = "live" | "shadow";

export interface PluginConfig {
  readonly name: string;
  readonly rootId: string;
  readonly vm: VmConfig;
  /** By the configuration value rule of ABI 5.10. */
  readonly configuration: Uint8Array;
  readonly failurePolicy: FailurePolicy;
  /** FAIL_RELOAD base interval. */
  readonly reloadBaseIntervalMs: number;
  readonly allowOnHeadersStopIteration: boolean;
  /** Names that are allowed; null = all (ABI 5.10). */
  readonly allowedCapabilities: readonly string[] | null;
  /** ABI 5.1: equal keys in one VM share a root context. */
  readonly pluginKey: string;
  readonly trafficDirection: number;
  readonly listenerMetadata: PropertyMessage | null;
  readonly isolation: IsolationConfig;
  readonly mode: PluginMode;
}

export interface VmConfig {
  readonly vmId: string;
  /** ABI 5.1: equal keys share a VM per silo. */
  readonly vmKey: string;
  /** sha256 of the code: key into GranaryConfig.modules. */
  readonly codeSha256: string;
  /** The code as it runs: compiled modules are kept by it. Differs by the limits built into it. */
  readonly codeKey: string;
  readonly configuration: Uint8Array;
  /** The guest may wait within hostcalls (ADR 56). */
  readonly coroutines: boolean;
  readonly environment: readonly (readonly [string, string])[];
}
