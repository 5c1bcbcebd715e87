/** Roles of a thread and of a stream that record what a VM asks of them. */

import type { Clock } from "../../src/base/clock.ts";
import type { PropertyValue } from "../../src/config/types.ts";
import { HeaderMap } from "../../src/http/header-map.ts";
import { privateSharedState, type SharedState } from "../../src/shm/shared-state.ts";
import type { BodyWindow } from "../../src/vm/body-windows.ts";
import type { StateDeclaration } from "../../src/vm/declared-properties.ts";
import type {
  BufferHost,
  DnsReply,
  LocalReply,
  SharedStateHost,
  StreamRoles,
  ThreadRoles,
} from "../../src/vm/roles.ts";
import { FakeCallouts } from "./fake-callouts.ts";
import { ManualClock } from "./manual-clock.ts";

export class FakeTimers {
  nowNs = 1_000_000_000n;
  readonly #pending: { readonly at: bigint; readonly run: () => void }[] = [];

  after = (delayMs: number, run: () => void): (() => void) => {
    const entry = { at: this.nowNs + BigInt(delayMs) * 1_000_000n, run };
    this.#pending.push(entry);
    return () => {
      const index = this.#pending.indexOf(entry);
      if (index >= 0) this.#pending.splice(index, 1);
    };
  };
  wallNs = (): bigint => 1_700_000_000_000_000_000n + this.nowNs;
  monotonicNs = (): bigint => this.nowNs;

  get pendingCount(): number {
    return this.#pending.length;
  }

  /** Moves time on and runs what is due. */
  advance(ms: number): void {
    this.nowNs += BigInt(ms) * 1_000_000n;
    for (const entry of [...this.#pending]) {
      const index = this.#pending.indexOf(entry);
      if (index < 0 || entry.at > this.nowNs) continue;
      this.#pending.splice(index, 1);
      entry.run();
    }
  }
}

/** Small: many tests have a thread each. */
const SHARED_BYTES = 4_194_304;

/** Real, but of this thread alone; made when it is asked for, because few tests share anything. */
class FakeShared implements SharedStateHost {
  readonly #clock: Clock;
  #state: SharedState | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get data(): SharedState["data"] {
    return this.#real.data;
  }

  get queues(): SharedState["queues"] {
    return this.#real.queues;
  }

  spaceOf(vmId: string): number {
    return this.#real.spaceOf(vmId);
  }

  get #real(): SharedState {
    this.#state ??= privateSharedState(this.#clock, SHARED_BYTES);
    return this.#state;
  }
}

export class FakeThread implements ThreadRoles {
  readonly lines: string[] = [];
  level = 0;
  readonly timers = new FakeTimers();
  readonly callouts = new FakeCallouts();
  /** What happened to VMs, in words. */
  readonly vmEventLines: string[] = [];
  /** Lines that guests logged beyond what they may. */
  droppedLines = 0;
  readonly vmEvents = {
    created: () => this.#note("created"),
    ended: () => this.#note("ended"),
    failed: (plugin: string, kind: string) => this.#note(`failed ${plugin} ${kind}`),
    reloaded: (plugin: string, outcome: string) => this.#note(`reload ${plugin} ${outcome}`),
    cutOff: (plugin: string) => this.#note(`cut off ${plugin}`),
    keptOut: (plugin: string) => this.#note(`kept out ${plugin}`),
    suspended: (plugin: string) => this.#note(`suspended ${plugin}`),
    suspendedTooLong: (plugin: string) => this.#note(`suspended too long ${plugin}`),
    waitRefused: (plugin: string) => this.#note(`wait refused ${plugin}`),
    waitedTooLong: (plugin: string) => this.#note(`waited too long ${plugin}`),
    pooled: (event: string) => this.#note(`pool ${event}`),
    memoryRefused: (plugin: string) => this.#note(`memory refused ${plugin}`),
    lineDropped: (): void => {
      this.droppedLines++;
    },
  };
  readonly metricValues = new Map<number, bigint>();
  readonly metricHandles = new Map<string, number>();
  /** VM slots that have a metric, by handle. */
  readonly metricOwners = new Map<number, number>();
  /** Operations on metrics that were refused. */
  refusedCount = 0;
  readonly rootValues: Record<string, PropertyValue | null> = {};
  readonly log = {
    log: (level: number, message: string): void => {
      this.lines.push(`${level} ${message}`);
    },
    level: (): number => this.level,
  };
  readonly metrics = {
    define: (kind: number, name: string): number => {
      if (name === "refused") return -1;
      const key = `${kind} ${name}`;
      const handle = this.metricHandles.get(key) ?? this.metricHandles.size;
      this.metricHandles.set(key, handle);
      return handle;
    },
    retain: (handle: number): void => {
      this.metricOwners.set(handle, (this.metricOwners.get(handle) ?? 0) + 1);
    },
    release: (handle: number): void => {
      this.metricOwners.set(handle, (this.metricOwners.get(handle) ?? 0) - 1);
    },
    add: (handle: number, offset: bigint): void => {
      this.metricValues.set(handle, this.metrics.read(handle) + offset);
    },
    set: (handle: number, value: bigint): void => {
      this.metricValues.set(handle, value);
    },
    observe: (handle: number, value: bigint): void => {
      this.metricValues.set(handle, value);
    },
    read: (handle: number): bigint => this.metricValues.get(handle) ?? 0n,
    refused: (): void => {
      this.refusedCount++;
    },
  };
  readonly clock = new ManualClock();
  /** Names that guests asked for, and what answers them. */
  readonly lookUps: { readonly name: string; readonly answer: (reply: DnsReply) => void }[] = [];
  readonly dns = {
    resolve: (name: string, answer: (reply: DnsReply) => void): void => {
      this.lookUps.push({ name, answer });
    },
  };
  readonly shared: SharedStateHost = new FakeShared(this.clock);
  readonly rootProperties = {
    property: (path: readonly string[]) => this.rootValues[path.join(".")],
  };

  #note(line: string): void {
    this.vmEventLines.push(line);
  }
}

/** One stream. Maps and buffers are available when they are set. */
export class FakeStream implements StreamRoles {
  kind: "http" | "tcp" = "http";
  readonly calls: string[] = [];
  readonly replies: LocalReply[] = [];
  readonly maps: (HeaderMap | null)[] = [HeaderMap.of([[":path", "/"]]), null, null, null];
  readonly writableMaps = new Set<number>([0]);
  readonly bodies: (Uint8Array | null)[] = [null, null, null, null];
  readonly values: Record<string, PropertyValue | null> = {};
  /** Filter state, by full key. */
  readonly stored = new Map<string, Uint8Array>();
  readonly declarations = new Map<string, StateDeclaration>();
  readonly headers = {
    readable: (type: number): HeaderMap | null => this.maps[type] ?? null,
    writable: (type: number): HeaderMap | null =>
      this.writableMaps.has(type) ? (this.maps[type] ?? null) : null,
    changed: (type: number): void => {
      this.calls.push(`changed ${type}`);
    },
  };
  lendable: "all" | "none" = "all";
  readonly windows: (BodyWindow | null)[] = [null, null];
  readonly buffers = {
    size: (type: number): number => this.bodies[type]?.byteLength ?? -1,
    copyTo: (...[type, start, length, target, at]: Parameters<BufferHost["copyTo"]>): void => {
      target.set((this.bodies[type] as Uint8Array).subarray(start, start + length), at);
    },
    splice: (type: number, start: number, length: number, data: Uint8Array): boolean => {
      const body = this.bodies[type] ?? null;
      if (body === null) return false;
      const parts = [body.subarray(0, start), data, body.subarray(start + length)];
      this.bodies[type] = new Uint8Array(Buffer.concat(parts));
      return true;
    },
    lend: (type: number, window: BodyWindow | null): boolean => {
      if (this.lendable === "none") return false;
      this.windows[type]?.close();
      this.windows[type] = window;
      return true;
    },
  };
  readonly stream = {
    continueRequest: () => this.#note("continueRequest"),
    continueResponse: () => this.#note("continueResponse"),
    closeStream: () => this.#note("closeStream"),
    sendLocalReply: (reply: LocalReply): void => {
      this.replies.push(reply);
      this.#note("localReply");
    },
    failStream: () => this.#note("failStream"),
    clearRouteCache: () => this.#note("clearRouteCache"),
    settle: (direction: number, status: number) => this.#note(`settle ${direction} ${status}`),
  };
  readonly properties = {
    property: (path: readonly string[]): PropertyValue | null | undefined =>
      this.values[path.join(".")] ?? (this.values[path.join(".")] === null ? null : undefined),
    setState: (key: string, value: Uint8Array, declaration: StateDeclaration): boolean => {
      if (this.declarations.get(key)?.readOnly === true) return false;
      this.stored.set(key, value);
      this.declarations.set(key, declaration);
      return true;
    },
  };
  /** Runs when an effect arrives, to see what happens meanwhile. */
  onEffect: (name: string) => void = () => undefined;

  #note(name: string): void {
    this.calls.push(name);
    this.onEffect(name);
  }
}
