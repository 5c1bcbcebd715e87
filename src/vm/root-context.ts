/**
 * The root context of one plugin configuration in one VM: start, timer, end. Source: ABI 2.3, 2.9,
 * 5.2.
 */
import type { ContextId } from "../base/ids.ts";
import type { PluginConfig } from "../config/types.ts";
import type { QueueListener } from "../shm/queue-seat.ts";
import { CallCost } from "./call-cost.ts";
import { askGuest, type GuestEntry, notifyGuest } from "./callbacks.ts";
import { type GuestContext, HttpStreamContext } from "./contexts.ts";
import { logPrefix } from "./guest-log.ts";
import type { StreamRoles } from "./roles.ts";
import type { Vm } from "./vm.ts";

/** `draining`: proxy_on_done said "not yet", proxy_done is awaited. */
type RootPhase = "starting" | "ready" | "draining" | "deleted";

/** Timers overflow above this. */
const TICK_MS_MAX = 0x7fffffff;

export class RootContext implements GuestContext {
  readonly id: ContextId;
  readonly vm: Vm;
  readonly config: PluginConfig;
  readonly root: RootContext = this;
  readonly stream = null;
  readonly cost: CallCost;
  /** What its log lines start with. */
  readonly logPrefix: string;
  /** Who hears of items in the queues that it registers. */
  queueListener: QueueListener = this;
  /** Callouts under way. */
  calloutCount = 0;
  /** What proxy_get_status tells: how the last callout that failed did. */
  statusCode = 0;
  statusMessage = "";
  #phase: RootPhase = "starting";
  #tickMs = 0;
  #cancelTick: (() => void) | null = null;
  #whenDeleted: (() => void) | null = null;
  #streamCount = 0;
  #whenIdle: (() => void) | null = null;

  /** @param cost of this plugin's callbacks in all its contexts. */
  constructor(vm: Vm, config: PluginConfig, cost = new CallCost()) {
    this.vm = vm;
    this.config = config;
    this.cost = cost;
    this.id = vm.contexts.nextId();
    this.logPrefix = logPrefix([config.name, config.rootId, config.vm.vmId]);
  }

  /** Whether streams may use this root. */
  get usable(): boolean {
    return this.#phase === "ready" && this.vm.running;
  }

  /** Whether the guest still has this context: callouts may be made and answered. */
  get isAlive(): boolean {
    return this.#phase !== "deleted";
  }

  noteStatus(code: number, message: string): void {
    this.statusCode = code;
    this.statusMessage = message;
  }

  /** The callback is over: the code stays, the message does not (ABI 3.11). */
  clearStatusMessage(): void {
    this.statusMessage = "";
  }

  /** Streams that it has now. */
  get streamCount(): number {
    return this.#streamCount;
  }

  get isDraining(): boolean {
    return this.#phase === "draining";
  }

  /** Creates, starts and configures the plugin in the guest; returns why it failed, or null. */
  start(): string | null {
    const { vm, config } = this;
    if (vm.suspended) return "its VM is busy with a suspended call";
    const isFirst = vm.contexts.count === 0;
    vm.contexts.add(this);
    vm.call.pluginConfigReadable = isFirst;
    const created = notifyGuest(this, vm.entries.proxy_on_context_create, 0);
    vm.call.pluginConfigReadable = false;
    if (!created) return vm.failureText();
    const vmConfigSize = config.vm.configuration.byteLength;
    const started = askGuest(this, vm.entries.proxy_on_vm_start, vmConfigSize);
    if (started === null) return vm.failureText();
    if (!started) return this.#refuse("proxy_on_vm_start");
    vm.call.pluginConfigReadable = true;
    const configured = askGuest(
      this,
      vm.entries.proxy_on_configure,
      config.configuration.byteLength,
    );
    vm.call.pluginConfigReadable = false;
    if (configured === null) return vm.failureText();
    if (!configured) return this.#refuse("proxy_on_configure");
    this.#phase = "ready";
    return null;
  }

  /** Sets the tick period; 0 stops the timer. Within a tick the timer is armed after it. */
  setTick(periodMs: number): void {
    if (this.#phase === "deleted") return;
    this.#tickMs = Math.min(periodMs, TICK_MS_MAX);
    this.stopTimer();
    if (!this.#inTick()) this.#armTick();
  }

  /** An item lies in a shared queue that this plugin registered (ABI 2.3). */
  onQueueReady(queue: number): void {
    if (!this.vm.running || this.#phase === "deleted") return;
    notifyGuest(this, this.vm.entries.proxy_on_queue_ready, queue);
  }

  /** A callback without a result has returned that had been suspended, or a tick. */
  callEnded(entry: GuestEntry): void {
    if (entry.name === "proxy_on_tick" && this.#cancelTick === null) this.#armTick();
  }

  /** Cancels the timer; the period is kept. */
  stopTimer(): void {
    this.#cancelTick?.();
    this.#cancelTick = null;
  }

  /** A stream of this plugin begins. */
  streamBegan(): void {
    this.#streamCount++;
  }

  /** A stream of this plugin has been deleted. */
  streamEnded(): void {
    this.#streamCount--;
    if (this.#streamCount === 0 && this.#whenIdle !== null) this.#becomeIdle();
  }

  /**
   * Runs `idle` once, when no stream is left; new ones must not begin any more. Never within a call
   * into the guest: the last stream may end inside of one.
   */
  whenIdle(idle: () => void): void {
    this.#whenIdle = idle;
    if (this.#streamCount === 0) this.#becomeIdle();
  }

  /**
   * Ends the plugin: proxy_on_done, and proxy_on_delete at once or when the guest calls proxy_done.
   * @param whenDeleted runs once, when the context is gone.
   */
  finish(whenDeleted: () => void): void {
    this.#whenDeleted = whenDeleted;
    if (this.vm.suspended && this.#phase === "ready") {
      // No stream may use it any more, and whoever does not wait for ever deletes it.
      this.#phase = "draining";
      this.vm.coroutines?.afterwards(() => this.#ask());
      return;
    }
    if (this.usable) this.#ask();
    else this.delete();
  }

  /** proxy_on_done. */
  #ask(): void {
    if (this.#phase === "deleted") return;
    const { vm } = this;
    if (!vm.running || askGuest(this, vm.entries.proxy_on_done, 0) !== false) this.delete();
    else if (this.#phase === "ready") this.#phase = "draining";
  }

  /** proxy_on_delete, unless the VM failed; the id is dead afterwards. */
  delete(): void {
    if (this.#phase === "deleted") return;
    // Before the guest hears of it: a second deletion may already be queued.
    this.#phase = "deleted";
    this.#tickMs = 0;
    this.stopTimer();
    this.vm.callouts.cancelAll(this);
    if (this.vm.running) notifyGuest(this, this.vm.entries.proxy_on_delete, 0);
    this.vm.contexts.remove(this.id);
    const whenDeleted = this.#whenDeleted;
    this.#whenDeleted = null;
    whenDeleted?.();
  }

  /** proxy_on_log of an access logger: on the root's id, with a stream that has ended to read. */
  logStream(roles: StreamRoles): void {
    const stream = new HttpStreamContext(this, this.config, roles);
    stream.endForLog();
    const { vm } = this;
    const log = (): void => {
      if (vm.running) {
        notifyGuest({ id: this.id, root: this, stream }, vm.entries.proxy_on_log, 0);
      }
      this.streamEnded();
    };
    if (vm.suspended) vm.coroutines?.afterwards(log);
    else log();
  }

  /** envoy_on_stats_update of a stats sink. */
  statsUpdate(stats: Uint8Array): void {
    this.#notifyWithData(this.vm.entries.envoy_on_stats_update, stats, [stats.byteLength, 0]);
  }

  /** envoy_on_resolve_dns. */
  dnsResolved(token: number, answer: Uint8Array): void {
    this.#notifyWithData(this.vm.entries.envoy_on_resolve_dns, answer, [token, answer.byteLength]);
  }

  /** A callback with `data` in buffer 8. */
  #notifyWithData(entry: GuestEntry, data: Uint8Array, wire: readonly [number, number]): void {
    const { vm } = this;
    if (!vm.running || this.#phase === "deleted") return;
    if (vm.suspended) {
      vm.coroutines?.afterwards(() => this.#notifyWithData(entry, data, wire));
      return;
    }
    vm.call.callData = data;
    notifyGuest(this, entry, wire[0], wire[1]);
    vm.call.callData = null;
  }

  #becomeIdle(): void {
    const idle = this.#whenIdle;
    this.#whenIdle = null;
    if (idle !== null) this.vm.roles.timers.after(0, idle);
  }

  #refuse(callback: string): string {
    this.#phase = "deleted";
    this.stopTimer();
    this.vm.callouts.cancelAll(this);
    this.vm.contexts.remove(this.id);
    return `${callback} returned false`;
  }

  #inTick(): boolean {
    const call = this.vm.call;
    return call.active && call.context === this && call.callback === "proxy_on_tick";
  }

  #armTick(): void {
    if (this.#tickMs === 0 || this.#phase === "deleted") return;
    this.#cancelTick = this.vm.roles.timers.after(this.#tickMs, () => this.#tick());
  }

  #tick(): void {
    this.#cancelTick = null;
    const { vm } = this;
    if (!vm.running || this.#phase === "deleted") return;
    if (vm.suspended) {
      vm.coroutines?.afterwards(() => this.#tick());
      return;
    }
    const entry = vm.entries.proxy_on_tick;
    if (notifyGuest(this, entry, 0)) this.callEnded(entry);
  }
}
