/** Worker threads of stress tests: started together, counted on, and killed where a test says so. */
import { Worker } from "node:worker_threads";

/** What a stress worker gets beside its own task. */
export interface ThreadTask {
  /** Where the compiled sources lie; see mutant.ts. */
  readonly base: string;
  readonly index: number;
  readonly seed: number;
}

export interface ThreadEnd {
  /** What it posted last, or null. */
  readonly report: unknown;
  /** Why it failed, or null. */
  readonly failure: string | null;
}

export class StressThread {
  readonly worker: Worker;
  readonly ended: Promise<ThreadEnd>;

  constructor(file: URL, task: ThreadTask & Readonly<Record<string, unknown>>) {
    this.worker = new Worker(file, { workerData: task });
    this.ended = this.#run();
  }

  async #run(): Promise<ThreadEnd> {
    let report: unknown = null;
    let failure: string | null = null;
    this.worker.on("message", (message) => {
      report = message;
    });
    this.worker.on("error", (error) => {
      failure = error.stack ?? String(error);
    });
    await new Promise((resolve) => this.worker.once("exit", resolve));
    return { report, failure };
  }
}

/** One turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
