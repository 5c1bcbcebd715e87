/**
 * What the admin interface needs of the proxy, and the shapes its parts share. Main implements
 * AdminSource; handlers know nothing else of the proxy. Admin runs on main and is off every hot
 * way.
 */
import type { LogComponent, LogLevel } from "../base/log.ts";
import type { GranaryConfig, SocketAddress } from "../config/types.ts";
import type { MetricSnapshot } from "../metrics/snapshot.ts";
import type { TagRules } from "../metrics/tags.ts";
import type { ClusterReport, VmReport } from "../silo/messages.ts";

/** Envoy's server states; the index is the value of the gauge `server.state`. */
export const SERVER_STATES = ["LIVE", "DRAINING", "PRE_INITIALIZING", "INITIALIZING"] as const;
export type ServerState = (typeof SERVER_STATES)[number];

export interface BoundListener {
  readonly name: string;
  /** With the port really bound. */
  readonly address: SocketAddress;
}

/** Bytes, main and silos together. */
export interface MemoryReport {
  readonly heapUsed: number;
  readonly heapTotal: number;
  /** Memory outside the heaps that JavaScript objects hold. */
  readonly external: number;
  /** Resident set of the process. */
  readonly resident: number;
}

/** The VMs of one silo. */
export interface SiloVms {
  readonly silo: number;
  readonly vms: readonly VmReport[];
}

export interface DrainOptions {
  /** Wait out the drain period before listeners close. */
  readonly graceful: boolean;
  /** Drain connections, but never close the listeners. */
  readonly skipExit: boolean;
  /** Only listeners with traffic direction INBOUND. */
  readonly inboundOnly: boolean;
}

export interface AdminSource {
  /** As `--version` prints it. */
  readonly version: string;
  /** When the running configuration was loaded: ms since the epoch. */
  configLoadedWallMs(): number;
  /** Resources that come from files of their own, as they are in use. */
  xds(): readonly XdsReport[];
  /** Why the last attempt to update the configuration was refused; null = it was not. */
  updateFailure(): { readonly details: string; readonly wallMs: number } | null;
  state(): ServerState;
  uptimeMs(): number;
  /** Under Envoy's names (`concurrency`, `config_path`, ...), for `/server_info`. */
  commandLineOptions(): Readonly<Record<string, string | number | boolean>>;
  config(): GranaryConfig;
  listeners(): readonly BoundListener[];
  /** Totals now, with the gauges of main (uptime, memory, ...) brought up to date. */
  snapshot(): MetricSnapshot;
  /** Help by family, from `helpTexts()` of src/metrics/help.ts. */
  helpTexts(): ReadonlyMap<string, string>;
  /** How names of stats become labels. */
  tagRules(): TagRules;
  /** One report per silo that answered. */
  clusters(): Promise<readonly (readonly ClusterReport[])[]>;
  /** One entry per silo that answered. */
  wasm(): Promise<readonly SiloVms[]>;
  memory(): Promise<MemoryReport>;
  logLevels(): readonly (readonly [LogComponent, LogLevel])[];
  readonly control: AdminControl;
}

export interface XdsReport {
  readonly kind: "lds" | "cds" | "rds" | "eds" | "ecds";
  readonly name: string;
  readonly version: string;
  /** Proto JSON with "@type", as text. */
  readonly json: string;
  readonly updatedWallMs: number;
  /** Why a newer version was refused; null = none was. */
  readonly failure: { readonly details: string; readonly wallMs: number } | null;
}

/** What became of a reload. */
export type ReloadReport =
  /** `summary`: such as "clusters: 1 added". */
  | { readonly kind: "applied"; readonly version: number; readonly summary: string }
  | { readonly kind: "unchanged"; readonly version: number }
  /** `text`: one or two lines per problem, each with its line end. The old one goes on. */
  | { readonly kind: "refused"; readonly text: string };

/** What the admin interface may change. */
export interface AdminControl {
  /** Of every component, on every thread. */
  setLogLevel(level: LogLevel): void;
  setComponentLogLevel(component: LogComponent, level: LogLevel): void;
  resetCounters(): void;
  reopenLogs(): void;
  /** From now on `/ready` answers as draining, or no longer. */
  setHealthcheck(outcome: "fail" | "ok"): void;
  drainListeners(options: DrainOptions): void;
  /** Reads the configuration again and takes it if it is right. */
  reload(): Promise<ReloadReport>;
  /** Called after the answer has left. */
  quit(): void;
}

export interface AdminRequest {
  readonly method: string;
  /** Without query, percent-decoded. */
  readonly path: string;
  readonly query: URLSearchParams;
}

export interface AdminResponse {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  /** Runs once the answer has been written. */
  readonly afterwards: (() => void) | null;
}

export interface AdminParameter {
  readonly name: string;
  readonly help: string;
  readonly input:
    | { readonly kind: "text" }
    | { readonly kind: "flag" }
    | { readonly kind: "choice"; readonly choices: readonly string[] };
}

export interface AdminRoute {
  readonly path: string;
  /** "any": reads, which Envoy answers under every method. */
  readonly method: "any" | "POST";
  readonly help: string;
  readonly parameters: readonly AdminParameter[];
  readonly handle: AdminHandler;
}
export type AdminHandler = (
  request: AdminRequest,
  source: AdminSource,
) => AdminResponse | Promise<AdminResponse>;

const TEXT = "text/plain; charset=UTF-8";
const answer = (status: number, contentType: string, body: string): AdminResponse => ({
  status,
  contentType,
  body,
  afterwards: null,
});

/** A plain text answer. */
export const text = (body: string, status = 200): AdminResponse => answer(status, TEXT, body);
/** A JSON answer, indented as Envoy prints protobuf messages. */
export const json = (value: object): AdminResponse =>
  answer(200, "application/json", `${JSON.stringify(value, null, 1)}\n`);
/** An answer of any other type. */
export const typed = (contentType: string, body: string): AdminResponse =>
  answer(200, contentType, body);
