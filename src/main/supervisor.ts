/**
 * Keeps `concurrency` silos alive. A silo that throws, exits, stands still or does not start is
 * unregistered from the acceptor, killed and replaced; the others never notice. Thread: main.
 */
import type { Clock, Timer } from "../base/clock.ts";
import { Logger } from "../base/log.ts";
import { RESTART, restartPauseMs } from "./backoff.ts";
import type { SentConnection } from "./fd-ledger.ts";
import type { SiloReserve } from "./silo-reserve.ts";
import { type ConnectionTarget, type SiloEdge, type SiloPlan, SiloThread } from "./silo-thread.ts";

const log = new Logger("main");

export const SUPERVISION = {
  /** Between two looks at the heartbeats, which beat twice in that time. */
  lookMs: 1_000,
  /** Looks without a beat until a ready silo counts as stuck (a filter that loops for ever). */
  missesMax: 10,
  /** Looks until a silo that starts counts as stuck: filters may compute much in their start. */
  startMissesMax: 60,
  /** Over the grace that a stopping silo gets to close its connections. */
  stopMarginMs: 1_000,
} as const;

/** Where ready silos are announced: the acceptor. */
export interface TargetRegistry {
  register(target: ConnectionTarget): void;
  unregister(target: ConnectionTarget): void;
  /** Takes back the ownership of descriptors that a dead silo never took. */
  takeBack(connections: readonly SentConnection[]): void;
}

export interface SupervisorOptions {
  /** Compiled silo entry. */
  readonly entry: URL;
  readonly concurrency: number;
  readonly clock: Clock;
  readonly registry: TargetRegistry;
  /** Where replacements come from if it has one; null = they are started. */
  readonly reserve: Pick<SiloReserve, "take" | "fillLater" | "close"> | null;
  /** Whether a debugger may be stopping silos. */
  isDebugged(): boolean;
  /** Boot data of silo `index`; called for the first start and for each replacement. */
  plan(index: number): SiloPlan;
  /** The thread of silo `index` is gone: its gauges count nothing any more. */
  retire(index: number): void;
}

interface Seat {
  silo: SiloThread;
  failures: number;
  misses: number;
  lastPulse: number;
  readyAtMs: number;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #seats: Seat[] = [];
  #look: Timer | null = null;
  /** Dead silos are replaced; false before all have started once, and when draining. */
  #replacing = false;
  #onStart: ((failure: string | null) => void) | null = null;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /** Starts every silo. Resolves when all are ready; rejects with the first reason when one fails,
   * after all have ended. Call once. */
  async start(): Promise<void> {
    const started = new Promise<string | null>((resolve) => {
      this.#onStart = resolve;
    });
    for (let index = 0; index < this.#options.concurrency; index++) {
      this.#seats.push(this.#seat(index));
    }
    this.#watch();
    const failure = await started;
    this.#onStart = null;
    if (failure !== null) {
      await this.#killAll();
      throw new Error(failure);
    }
    this.#replacing = true;
  }

  /** The silos of now, by index; a replaced silo is another object. */
  get silos(): readonly SiloThread[] {
    return this.#seats.map((seat) => seat.silo);
  }

  get openConnections(): number {
    return this.#seats.reduce((sum, seat) => sum + seat.silo.openConnections, 0);
  }

  /** As SiloControl; connections are still taken. The plan of new silos must say the same. */
  setDrainClose(spanMs: number | null): void {
    for (const { silo } of this.#seats) void silo.call((remote) => remote.setDrainClose(spanMs));
  }

  /** The listeners of these seats end in every silo; the silos go on. */
  drainListeners(ids: readonly number[]): void {
    for (const { silo } of this.#seats) void silo.call((remote) => remote.drainListeners(ids));
  }

  /** Every silo finishes what it has; dead ones are no longer replaced. Idempotent. */
  drain(): void {
    this.#replacing = false;
    void this.#options.reserve?.close();
    for (const { silo } of this.#seats) {
      if (silo.state !== "ready" && silo.state !== "starting") continue;
      silo.transition("drain", "");
      void silo.call((remote) => remote.drain());
    }
  }

  /**
   * Drains and ends all threads, those with open connections after `graceMs`.
   * @returns how many connections were cut.
   */
  async stop(graceMs: number): Promise<number> {
    this.drain();
    const cut = await Promise.all(this.#seats.map((seat) => this.#stopOne(seat.silo, graceMs)));
    this.#look?.cancel();
    return cut.reduce((sum, count) => sum + count, 0);
  }

  async #stopOne(silo: SiloThread, graceMs: number): Promise<number> {
    if (silo.state === "stopped") return 0;
    const limitMs = graceMs + SUPERVISION.stopMarginMs;
    const timer = this.#options.clock.after(limitMs, () => silo.kill());
    const cut = await silo.call((remote) => remote.stop(graceMs));
    timer.cancel();
    silo.kill();
    await silo.ended;
    return cut ?? silo.openConnections;
  }

  async #killAll(): Promise<void> {
    this.#look?.cancel();
    for (const { silo } of this.#seats) silo.kill();
    await Promise.all(this.#seats.map((seat) => seat.silo.ended));
  }

  #seat(index: number): Seat {
    return { silo: this.#spawn(index), failures: 0, misses: 0, lastPulse: 0, readyAtMs: 0 };
  }

  #spawn(index: number): SiloThread {
    const { entry, reserve, plan } = this.#options;
    return SiloThread.spawn(reserve?.take() ?? entry, plan(index), (silo, edge) => {
      this.#onEdge(silo, edge);
    });
  }

  #onEdge(silo: SiloThread, edge: SiloEdge): void {
    const { registry } = this.#options;
    if (edge.from === "ready") registry.unregister(silo);
    if (edge.to === "ready") this.#onReady(silo);
    if (edge.to === "failed") {
      log.error(`silo ${silo.index} failed: ${edge.reason}`);
      this.#onStart?.(`silo ${silo.index} did not start: ${edge.reason}`);
      silo.kill();
    }
    if (edge.to === "stopped") this.#onStopped(silo, edge);
  }

  #onReady(silo: SiloThread): void {
    const seat = this.#seats[silo.index];
    if (seat !== undefined) seat.readyAtMs = this.#options.clock.monotonicMs();
    this.#options.registry.register(silo);
    if (!this.#seats.every((each) => each.silo.state === "ready")) return;
    this.#onStart?.(null);
    this.#options.reserve?.fillLater();
  }

  #onStopped(silo: SiloThread, edge: SiloEdge): void {
    const { index } = silo;
    if (edge.from === "starting" || edge.from === "ready") {
      log.error(`silo ${index} ended: ${edge.reason}`);
    }
    this.#options.retire(index);
    this.#options.registry.takeBack(silo.reclaim());
    this.#onStart?.(`silo ${index} did not start: ${edge.reason}`);
    if (this.#replacing) this.#replace(index);
  }

  #replace(index: number): void {
    const { clock } = this.#options;
    const seat = this.#seats[index];
    if (seat === undefined) return;
    const healthy = seat.readyAtMs > 0 && clock.monotonicMs() - seat.readyAtMs > RESTART.healthyMs;
    seat.failures = healthy ? 1 : seat.failures + 1;
    seat.readyAtMs = 0;
    const pauseMs = restartPauseMs(seat.failures);
    log.warn(`silo ${index} is replaced${pauseMs === 0 ? "" : ` in ${pauseMs} ms`}`);
    const restart = () => {
      if (!this.#replacing) return;
      seat.misses = 0;
      seat.lastPulse = 0;
      seat.silo = this.#spawn(index);
    };
    if (pauseMs === 0) restart();
    else clock.after(pauseMs, restart);
  }

  /** Looks are counted, not milliseconds: a machine that slept does not make silos look stuck. */
  #watch(): void {
    this.#look = this.#options.clock.after(SUPERVISION.lookMs, () => {
      this.#watch();
      // A debugger stops a silo for as long as its user thinks.
      if (this.#options.isDebugged()) return;
      for (const seat of this.#seats) lookAt(seat);
    });
  }
}

function lookAt(seat: Seat): void {
  const { silo } = seat;
  if (silo.state === "failed" || silo.state === "stopped") return;
  const { pulse } = silo;
  seat.misses = pulse === seat.lastPulse ? seat.misses + 1 : 0;
  seat.lastPulse = pulse;
  const isStarting = silo.state === "starting" || silo.isPreparing;
  const limit = isStarting ? SUPERVISION.startMissesMax : SUPERVISION.missesMax;
  if (seat.misses < limit) return;
  silo.transition("fail", `no heartbeat for ${(seat.misses * SUPERVISION.lookMs) / 1_000} s`);
}
