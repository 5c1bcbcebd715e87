/**
 * What the silo sees of the plugins on its thread: one PluginHost per thread, one Plugin per plugin
 * configuration, one StreamContext per stream and plugin. Statuses are already converted by the
 * rules of ABI 2.5; deferred actions (ABI 2.1) have run when a callback method returns.
 */
import type { GranaryConfig, PluginConfig } from "../config/types.ts";
import type { Singletons } from "./plugin-identity.ts";
import type { VmReport } from "./report.ts";
import type { StreamRoles, ThreadRoles } from "./roles.ts";

/** ABI 2.4, after conversion: 2 never occurs. */
export const HEADERS_STATUS = {
  continue: 0,
  stopIteration: 1,
  stopAllAndBuffer: 3,
  stopAllAndWatermark: 4,
} as const;
export const DATA_STATUS = {
  continue: 0,
  stopAndBuffer: 1,
  stopAndWatermark: 2,
  stopNoBuffer: 3,
} as const;
export const TRAILERS_STATUS = { continue: 0, stop: 1 } as const;
/**
 * Beside all of these: the callback has not returned yet, or waits for its VM. Its status comes
 * later, by `StreamHost.settle`.
 */
export const SUSPENDED = 5;

export interface StreamContext {
  /** proxy_on_context_create: before anything of the stream may be changed. */
  enter(): void;
  /** `count` includes pseudo-headers. Returns a HEADERS_STATUS. */
  onRequestHeaders(count: number, endStream: boolean): number;
  /** `size`: readable bytes now. Returns a DATA_STATUS. */
  onRequestBody(size: number, endStream: boolean): number;
  onRequestTrailers(count: number): number;
  onResponseHeaders(count: number, endStream: boolean): number;
  /** A request callback has not returned, and the request has been answered by somebody else. */
  onRequestAborted(): void;
  onResponseBody(size: number, endStream: boolean): number;
  onResponseTrailers(count: number): number;
  /** proxy_on_log. Creates the guest context first if no callback ever ran (ABI 2.9). */
  onLog(): void;
  /** proxy_on_done, then proxy_on_delete; the context is dead afterwards. */
  onDestroy(): void;
}

/**
 * A network filter's view of one connection. Statuses are TRAILERS_STATUS: continue, or stop, which
 * keeps the data until more comes or the guest resumes.
 */
export interface ConnectionContext {
  onNewConnection(): number;
  /** `size`: readable bytes now. */
  onDownstreamData(size: number, endStream: boolean): number;
  onUpstreamData(size: number, endStream: boolean): number;
  /** `peer`: 1 this side closed, 2 the client did. */
  onDownstreamClose(peer: number): void;
  onUpstreamClose(): void;
  /** proxy_on_done, proxy_on_log, proxy_on_delete; the context is dead afterwards. */
  onDestroy(): void;
}

export interface Plugin {
  readonly config: PluginConfig;
  /**
   * A context for one stream. Null: the VM failed and the policy is "open", the filter is left out.
   * When it failed and the policy is "closed", the context answers by failing the stream
   * (`roles.stream.failStream()`, status stopAllAndWatermark) at its first request callback.
   */
  createStream(roles: StreamRoles): StreamContext | null;
  /** The same for a connection; a plugin that failed closed fails it when it begins. */
  createConnection(roles: StreamRoles): ConnectionContext | null;
  /** An access logger: proxy_on_log on the root, with a finished stream to read. */
  log(roles: StreamRoles): void;
  /** A stats sink: envoy_on_stats_update with `stats` (ABI 2.10) in buffer 8. */
  statsUpdate(stats: Uint8Array): void;
}

export interface PluginHost {
  /** Starts VMs and root contexts of every plugin of `config` (ABI 5.2 step 3). Returns one
   * message per plugin that failed to start; the plugin then acts by its policy. */
  start(): readonly string[];
  plugin(config: PluginConfig): Plugin;
  /**
   * Starts what `plugins` need beyond what runs: VMs and roots with equal keys are kept. What runs
   * is not touched. @returns one message per plugin that failed to start
   */
  stage(plugins: readonly PluginConfig[], modules: PluginModules): readonly string[];
  /** These are the plugins of the server from now on; `retain` ends what they were before. */
  replaceServerPlugins(plugins: readonly PluginConfig[]): void;
  /**
   * From now on streams are made for `plugins` only: roots of other plugins end after their last
   * stream, VMs after their last root. Plugins of the server stay.
   */
  retain(plugins: readonly PluginConfig[]): void;
  /**
   * proxy_on_done / delete on roots; after `graceMs` at most everything is dropped. `ended` runs
   * once, when all is.
   */
  stop(graceMs: number, ended?: () => void): void;
  readonly vmCount: number;
  /** Callouts and look-ups that shadows have made so far, none of which was sent. */
  readonly shadowCallouts: number;
  /** What each VM is doing. */
  report(): readonly VmReport[];
}

/** Code of the null engine: one CommonJS script, its source map inside. */
export interface ScriptCode {
  readonly text: string;
  /** What debuggers and stack traces call it. */
  readonly filename: string;
}

/** Wasm of a plugin whose VMs have a total of memory; `quota`: the region where they count it. */
export interface CodeWithTotal {
  readonly module: WebAssembly.Module;
  readonly quota: SharedArrayBuffer;
}

/** What an engine runs. */
export type PluginCode = WebAssembly.Module | ScriptCode | CodeWithTotal;

/** Code ready to run, by code key. */
export type PluginModules = ReadonlyMap<string, PluginCode>;

export type CreatePluginHost = (options: {
  readonly config: GranaryConfig;
  readonly modules: PluginModules;
  readonly roles: ThreadRoles;
  /** Whether plugins that run once in the server run on this thread. */
  readonly singletons: Singletons;
  /** Number of the silo, by which totals of memory are counted; without one they are not. */
  readonly seat?: number;
}) => PluginHost;
