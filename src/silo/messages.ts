/**
 * Everything that crosses between main and a silo. `SiloBoot` is the worker's `workerData`; the
 * rest
 * are plain messages on the worker's own port, except the control calls, which go by comlink over
 * `controlPort` (see SiloControl).
 */
import type { MessagePort } from "node:worker_threads";
import type { LogComponent, LogLevel } from "../base/log.ts";
import type {
  ClusterConfig,
  GranaryConfig,
  ListenerConfig,
  ServerPluginsConfig,
} from "../config/types.ts";
import type { SharedSeat } from "../shm/shared-state.ts";
import type { VmReport } from "../vm/report.ts";
import type { PluginCode } from "../vm/types.ts";

export type { FailureReport, PluginReport, PoolSeat, VmReport } from "../vm/report.ts";

import type { LogRingBoot } from "./log-ring.ts";
import type { TapRingBoot } from "./tap/tap-ring.ts";

export interface SiloBoot {
  readonly index: number;
  readonly concurrency: number;
  /** Module bytes are left out (empty); the compiled modules are in `modules`. */
  readonly config: GranaryConfig;
  readonly modules: readonly SentModule[];
  /** Metric region of every silo, by index; this silo writes `metricRegions[index]` only. */
  readonly metricRegions: readonly SharedArrayBuffer[];
  /** This silo's body slab, which its successor takes over. */
  readonly bodySlab: SharedArrayBuffer;
  /** Where access-log lines go. */
  readonly logRing: LogRingBoot;
  /** Where tapped streams go. */
  readonly tapRing: TapRingBoot;
  /** What plugins share over all silos, and this silo's number there. */
  readonly shared: SharedSeat;
  readonly log: {
    readonly level: LogLevel;
    readonly components: readonly (readonly [LogComponent, LogLevel])[];
    readonly format: string;
  };
  /** How this silo gets its connections for `codec` listeners. */
  readonly dispatch: "fd" | "reusePort" | "shared";
  /** Beside `config.listeners`, by index. */
  readonly seats: readonly ListenerSeat[];
  /**
   * Answers ask clients to close, a share that rises to all over this many milliseconds; null =
   * they do not.
   */
  readonly drainCloseMs: number | null;
  readonly controlPort: MessagePort;
  /** What the silo says of itself without being asked; see heartbeat-layout.ts. */
  readonly heartbeat: SharedArrayBuffer;
  readonly version: string;
}

/** `workerData` of a thread that loads its code and waits for its SiloBoot as a message. */
export const RESERVE = { isReserve: true } as const;

export interface SentModule {
  /** `VmConfig.codeKey` of the VMs that run it. */
  readonly key: string;
  readonly module: PluginCode;
}

/** What main decided about a listener. */
export interface ListenerSeat {
  /** Names the listener in messages; never used for another one. */
  readonly id: number;
  readonly transport: TransportName;
  /** The port it really has (port 0 resolved by main). */
  readonly port: number;
}

/** What differs between the configuration that runs and the next one. */
export interface ConfigUpdate {
  /** Version of the next configuration. */
  readonly version: number;
  /** Clusters that are new or changed. */
  readonly clusters: readonly ClusterConfig[];
  readonly removedClusters: readonly string[];
  /** Listeners that are new (an id that is not known) or changed. */
  readonly listeners: readonly { readonly seat: ListenerSeat; readonly config: ListenerConfig }[];
  /** Ids. */
  readonly removedListeners: readonly number[];
  /** Services and stats sinks, all of them; null = they stay as they are. */
  readonly server: ServerPluginsConfig | null;
  /** Code that is new. */
  readonly modules: readonly SentModule[];
  /** How long connections of removed listeners may go on. */
  readonly drainMs: number;
}

export type TransportName = "codec" | "uws";

/** What the thread that tries uWS before it serves posts to main. */
export type UwsTrial =
  | { readonly kind: "absent"; readonly reason: string }
  /** It loads; the names of the framing cases that it fails. */
  | { readonly kind: "tried"; readonly failures: readonly string[] };

/** main -> silo on the worker's port. */
export type ToSilo =
  /** The silo now owns `fd` (a duplicate made for it). `listener`: id of its seat. */
  { readonly kind: "connection"; readonly listener: number; readonly fd: number };

/** silo -> main on the worker's port. */
export type FromSilo =
  | { readonly kind: "ready"; readonly failures: readonly string[] }
  | { readonly kind: "connectionClosed"; readonly listener: number }
  | { readonly kind: "failed"; readonly reason: string };

/** Offered by the silo through comlink on `controlPort`. */
export interface SiloControl {
  /** The silo takes no connection any more; idle ones end, others after their answer. */
  drain(): void;
  /** As `drain`, for the listeners of these seats alone. */
  drainListeners(ids: readonly number[]): void;
  /** What `drainCloseMs` of the boot data says, from now on. */
  setDrainClose(spanMs: number | null): void;
  /**
   * Ends: closes what is left after at most `graceMs`.
   * @returns how many connections were cut.
   */
  stop(graceMs: number): Promise<number>;
  setLogLevel(level: LogLevel): void;
  setComponentLogLevel(component: LogComponent, level: LogLevel): void;
  clusters(): readonly ClusterReport[];
  wasm(): readonly VmReport[];
  /**
   * Makes everything that `update` needs beside what runs, and changes nothing. Followed by
   * `commit` or `abandon`.
   * @returns why the update is refused here; empty = prepared.
   */
  prepare(update: ConfigUpdate): Promise<readonly string[]>;
  /** New streams use the prepared configuration from now on. */
  commit(): void;
  /** Drops what was prepared; harmless without it. */
  abandon(): void;
  memory(): { readonly heapUsed: number; readonly heapTotal: number; readonly external: number };
}

export interface ClusterReport {
  readonly name: string;
  readonly endpoints: readonly {
    readonly address: string;
    readonly hostname: string;
    readonly healthy: boolean;
    readonly weight: number;
    readonly stats: Readonly<Record<string, number>>;
  }[];
}
