/**
 * The one door to piscina: CPU work that must run neither on main nor on a silo. Thread: main. The
 * package's types do not compile under `exactOptionalPropertyTypes`, hence `createRequire`.
 */
import { createRequire } from "node:module";
import type { Clock } from "../base/clock.ts";
import type { CpuTasks } from "./cpu-tasks.ts";

interface Pool {
  run(task: unknown, options: { name: string; signal: AbortSignal }): Promise<unknown>;
  destroy(): Promise<void>;
}
interface PiscinaModule {
  readonly Piscina: new (options: {
    readonly filename: string;
    readonly minThreads: number;
    readonly maxThreads: number;
    readonly idleTimeout: number;
  }) => Pool;
}

const require = createRequire(import.meta.url);
const { Piscina } = require("piscina") as PiscinaModule;

/** Guests may compute much in their start; longer than this is an endless loop. */
const TASK_MS_MAX = 60_000;

/** A thread that waits this long ends, and what guests allocated on it with it. */
const IDLE_MS = 2_000;
/** Compiled file beside this one. */
const CPU_WORKER = new URL("./cpu-worker.js", import.meta.url);

type TaskName = keyof CpuTasks;
type Task<Name extends TaskName> = Parameters<CpuTasks[Name]>[0];
type Result<Name extends TaskName> = Awaited<ReturnType<CpuTasks[Name]>>;

export class CpuPool {
  readonly #pool: Pool;
  readonly #clock: Clock;

  constructor(clock: Clock, worker: URL = CPU_WORKER) {
    this.#clock = clock;
    this.#pool = new Piscina({
      filename: worker.href,
      minThreads: 0,
      maxThreads: 1,
      idleTimeout: IDLE_MS,
    });
  }

  /** Runs one task on a thread of its own; rejects when it throws or takes over a minute. */
  async run<Name extends TaskName>(name: Name, task: Task<Name>): Promise<Result<Name>> {
    const limit = new AbortController();
    const timer = this.#clock.after(TASK_MS_MAX, () => limit.abort());
    try {
      return (await this.#pool.run(task, { name, signal: limit.signal })) as Result<Name>;
    } catch (error) {
      if (limit.signal.aborted) throw new Error(`no answer within ${TASK_MS_MAX / 1000} s`);
      throw error;
    } finally {
      timer.cancel();
    }
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}
