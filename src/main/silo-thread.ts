/**
 * One silo as main sees it: the worker, its state, its heartbeat, its control calls and the
 * descriptors on their way to it. Thread: main. Owned by the supervisor, which hears of every edge.
 */

import type { MessagePort } from "node:worker_threads";
import { MessageChannel, Worker } from "node:worker_threads";
import { assertNever } from "../base/assert.ts";
import { type Remote, remoteOf } from "../base/comlink.ts";
import { Logger } from "../base/log.ts";
import { attachHeartbeat, createHeartbeat, HEARTBEAT_WORDS } from "../shm/heartbeat-layout.ts";
import type { FromSilo, SiloBoot, SiloControl, ToSilo } from "../silo/messages.ts";
import { FdLedger, type SentConnection } from "./fd-ledger.ts";
import { nextSiloState, type SiloEvent, type SiloState } from "./silo-states.ts";

const log = new Logger("main");

/** What the acceptor needs of a silo. */
export interface ConnectionTarget {
  readonly index: number;
  /** Connections given and not reported closed. */
  readonly openConnections: number;
  /** Passes ownership of `fd`. */
  give(listener: number, fd: number): void;
}

/** Boot data except what the thread object makes itself. */
export type SiloPlan = Omit<SiloBoot, "controlPort" | "heartbeat">;

export interface SiloEdge {
  readonly from: SiloState;
  readonly to: SiloState;
  /** Why, for the log; "" on orderly edges. */
  readonly reason: string;
}

export type OnSiloEdge = (silo: SiloThread, edge: SiloEdge) => void;

export class SiloThread implements ConnectionTarget {
  readonly index: number;
  /** Resolves when the thread is gone. */
  readonly ended: Promise<void>;
  readonly #worker: Worker;
  readonly #control: MessagePort;
  readonly #remote: Remote<SiloControl>;
  readonly #words: Int32Array;
  readonly #ledger: FdLedger;
  readonly #onEdge: OnSiloEdge;
  /** Ends the waits of control calls that are under way. */
  readonly #unanswered = new Set<() => void>();
  /** It starts plugins of an update: it may stand still as long as one that starts. */
  isPreparing = false;
  #state: SiloState = "starting";
  #openConnections = 0;

  private constructor(parts: SiloParts, onEdge: OnSiloEdge) {
    this.index = parts.index;
    this.#worker = parts.worker;
    this.#control = parts.control;
    this.#remote = remoteOf<SiloControl>(parts.control);
    this.#words = parts.words;
    this.#ledger = new FdLedger(() => Atomics.load(parts.words, HEARTBEAT_WORDS.adopted));
    this.#onEdge = onEdge;
    this.ended = new Promise((resolve) => {
      parts.worker.once("exit", () => {
        for (const giveUp of this.#unanswered) giveUp();
        resolve();
      });
    });
  }

  /**
   * Starts the worker `from`, or tells the one that waited in reserve what it is. Edges are
   * reported from the next turn of the event loop on.
   */
  static spawn(from: URL | Worker, plan: SiloPlan, onEdge: OnSiloEdge): SiloThread {
    const heartbeat = createHeartbeat();
    const channel = new MessageChannel();
    const boot: SiloBoot = { ...plan, heartbeat, controlPort: channel.port2 };
    const worker = started(from, boot);
    const words = attachHeartbeat(heartbeat);
    const parts = { index: plan.index, worker, control: channel.port1, words };
    const silo = new SiloThread(parts, onEdge);
    silo.#listen();
    return silo;
  }

  get state(): SiloState {
    return this.#state;
  }

  get openConnections(): number {
    return this.#openConnections;
  }

  /** The silo's heartbeat counter: a thread that runs changes it within a second. */
  get pulse(): number {
    return Atomics.load(this.#words, HEARTBEAT_WORDS.pulse);
  }

  give(listener: number, fd: number): void {
    this.#ledger.record({ listener, fd });
    this.#openConnections++;
    this.#worker.postMessage({ kind: "connection", listener, fd } satisfies ToSilo);
  }

  /** Connections that the dead silo never took; main owns them again. Call once, when stopped. */
  reclaim(): readonly SentConnection[] {
    return this.#ledger.reclaim();
  }

  /** One control call. Null when the silo ended first or the call failed. */
  async call<T>(run: (remote: Remote<SiloControl>) => Promise<T>): Promise<T | null> {
    if (this.#state === "stopped") return null;
    // Of its own: `ended` would keep everything that waits for it until the thread is gone.
    let giveUp = (): void => undefined;
    const gone = new Promise<null>((resolve) => {
      giveUp = () => resolve(null);
    });
    this.#unanswered.add(giveUp);
    try {
      return await Promise.race([run(this.#remote), gone]);
    } catch (error) {
      log.warn(`silo ${this.index}: control call failed: ${String(error)}`);
      return null;
    } finally {
      this.#unanswered.delete(giveUp);
    }
  }

  /** Takes the edge of `event`. Edges out of the present state only; see SILO_STATES. */
  transition(event: SiloEvent, reason: string): void {
    const from = this.#state;
    const to = nextSiloState(from, event);
    if (to === from) return;
    this.#state = to;
    log.debug(`silo ${this.index}: ${from} -> ${to} (${event}${reason && `: ${reason}`})`);
    if (to === "stopped") this.#control.close();
    this.#onEdge(this, { from, to, reason });
  }

  /** Ends the thread wherever it is; `ended` resolves when it is gone. */
  kill(): void {
    void this.#worker.terminate();
  }

  #listen(): void {
    this.#worker.on("message", (message: FromSilo) => this.#receive(message));
    this.#worker.on("error", (error: unknown) => {
      this.transition("fail", error instanceof Error ? (error.stack ?? error.message) : `${error}`);
    });
    this.#worker.on("exit", (code) => this.transition("exit", `exit code ${code}`));
  }

  #receive(message: FromSilo): void {
    switch (message.kind) {
      case "ready":
        for (const failure of message.failures) log.error(`silo ${this.index}: ${failure}`);
        this.transition("ready", "");
        return;
      case "connectionClosed":
        // Silos that listen themselves also close what main never gave them.
        this.#openConnections = Math.max(0, this.#openConnections - 1);
        return;
      case "failed":
        this.transition("fail", message.reason);
        return;
      default:
        assertNever(message);
    }
  }
}

function started(from: URL | Worker, boot: SiloBoot): Worker {
  const transferList = [boot.controlPort];
  if (from instanceof URL) {
    return new Worker(from, { name: `silo-${boot.index}`, workerData: boot, transferList });
  }
  from.ref();
  from.postMessage(boot, transferList);
  return from;
}

interface SiloParts {
  readonly index: number;
  readonly worker: Worker;
  readonly control: MessagePort;
  readonly words: Int32Array;
}
