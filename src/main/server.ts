/**
 * The running server: owns the front door, the silos and the admin interface, and takes them
 * through the phases of `server-states.ts`. Thread: main.
 */
import type { DrainOptions } from "../admin/types.ts";
import type { Clock } from "../base/clock.ts";
import { Logger } from "../base/log.ts";
import type { Acceptor } from "./acceptor.ts";
import type { Running } from "./running.ts";
import { nextServerPhase, type ServerEvent, type ServerPhase } from "./server-states.ts";
import type { Supervisor } from "./supervisor.ts";

const log = new Logger("main");

/**
 * Envoy ends at once on SIGTERM; we give running requests this much, if `--drain-time-s` allows.
 */
const QUIT_GRACE_MS_MAX = 10_000;
/** `traffic_direction: INBOUND`. */
const INBOUND = 1;

export interface ServerParts {
  readonly running: Pick<Running, "listeners">;
  readonly clock: Clock;
  /** Null: silos listen themselves. */
  readonly acceptor: Pick<Acceptor, "close" | "closeListeners"> | null;
  readonly supervisor: Pick<
    Supervisor,
    "start" | "setDrainClose" | "drainListeners" | "drain" | "stop" | "openConnections"
  >;
  readonly drainTimeMs: number;
  /** `--drain-strategy`. */
  readonly drainStrategy: "gradual" | "immediate";
  /** Told how many listeners drain and how many still accept. */
  onDraining(drainingCount: number, acceptingCount: number): void;
}

export class Server {
  /** Resolves when the server has ended in order. */
  readonly ended: Promise<void>;
  readonly #parts: ServerParts;
  /** Seats of the listeners that were closed. */
  readonly #closed = new Set<number>();
  #phase: ServerPhase = "initializing";
  #failsHealthcheck = false;
  /** A graceful drain has begun. */
  #isGraceful = false;
  #onEnded: () => void = () => undefined;

  constructor(parts: ServerParts) {
    this.#parts = parts;
    this.ended = new Promise((resolve) => {
      this.#onEnded = resolve;
    });
  }

  get phase(): ServerPhase {
    return this.#phase;
  }

  /** Whether load balancers in front should send requests here. */
  get isLive(): boolean {
    return this.#phase === "live" && !this.#failsHealthcheck;
  }

  /** What silos are told: over which time answers ask clients to close; null = they do not. */
  get drainCloseMs(): number | null {
    const { drainTimeMs, drainStrategy } = this.#parts;
    if (this.#failsHealthcheck) return 0;
    if (!this.#isGraceful) return null;
    return drainStrategy === "gradual" ? drainTimeMs : 0;
  }

  /** As in Envoy, answers ask clients to close while health checks are made to fail. */
  setHealthcheck(outcome: "fail" | "ok"): void {
    this.#failsHealthcheck = outcome === "fail";
    this.#parts.supervisor.setDrainClose(this.drainCloseMs);
  }

  /** Starts all silos; rejects with the reason when one does not start (none is left then). */
  async start(): Promise<void> {
    await this.#parts.supervisor.start();
    this.#take("ready");
  }

  /** `/drain_listeners`. The process stays until it is told to quit. */
  drainListeners(options: DrainOptions): void {
    const { running, clock, supervisor, drainTimeMs } = this.#parts;
    const chosen = running.listeners
      .filter(({ config }) => !options.inboundOnly || config.trafficDirection === INBOUND)
      .map(({ seat }) => seat.id);
    const all = chosen.length === running.listeners.length;
    if (options.graceful || options.skipExit) {
      this.#take("drain");
      this.#isGraceful = true;
      supervisor.setDrainClose(this.drainCloseMs);
      if (!options.skipExit) clock.after(drainTimeMs, () => this.#closeListeners(chosen, all));
      return;
    }
    this.#take("drain");
    this.#closeListeners(chosen, all);
  }

  /** Signals and `/quitquitquit`: drains and ends. Idempotent; `ended` tells the end. */
  quit(): void {
    const first = this.#phase !== "stopping" && this.#phase !== "stopped";
    this.#take("quit");
    if (first) void this.#finish();
  }

  async #finish(): Promise<void> {
    const { acceptor, supervisor, drainTimeMs } = this.#parts;
    acceptor?.close();
    const graceMs = Math.min(drainTimeMs, QUIT_GRACE_MS_MAX);
    const open = supervisor.openConnections;
    log.info(`shutting down: ${open} open connections, waiting at most ${graceMs / 1000} s`);
    const cut = await supervisor.stop(graceMs);
    if (cut > 0) log.warn(`${cut} connections were cut after ${graceMs / 1000} s`);
    this.#take("ended");
    this.#onEnded();
  }

  #closeListeners(ids: readonly number[], all: boolean): void {
    if (this.#phase !== "draining") return;
    for (const id of ids) this.#closed.add(id);
    this.#parts.acceptor?.closeListeners(ids);
    const accepting = this.#parts.running.listeners.length - this.#closed.size;
    this.#parts.onDraining(ids.length, accepting);
    if (all) this.#parts.supervisor.drain();
    else this.#parts.supervisor.drainListeners(ids);
  }

  #take(event: ServerEvent): void {
    const next = nextServerPhase(this.#phase, event);
    if (next !== this.#phase) log.debug(`server: ${this.#phase} -> ${next} (${event})`);
    this.#phase = next;
  }
}
