/**
 * Main's side of a thread that writes what silos put into rings: it starts with the first record,
 * so that a configuration without any has no such thread, and one that fails gets a successor with
 * the next record. Rings outlive silos and the thread: who comes after reads on. Thread: main.
 */
import { Worker } from "node:worker_threads";
import { Logger } from "../base/log.ts";
import { attachBell } from "../shm/bell-layout.ts";
import type { Bells } from "../shm/bells.ts";

const log = new Logger("main");

interface RingWriterOptions {
  /** For messages, and in the name of the thread. */
  readonly name: string;
  /** Compiled file of the thread. */
  readonly entry: URL;
  /** What the thread gets; silos ring this bell when they find a ring empty. */
  readonly boot: { readonly bell: SharedArrayBuffer };
  readonly bellIndex: number;
}

export class RingWriter {
  readonly #options: RingWriterOptions;
  #bells: Bells;
  #worker: Worker | null = null;
  #ended: Promise<void> = Promise.resolve();
  #stopping = false;

  constructor(options: RingWriterOptions) {
    this.#options = options;
    this.#bells = this.#await();
  }

  /** Tells the thread, if there is one. */
  post(message: string): void {
    this.#worker?.postMessage(message);
  }

  /** Ends the thread by the message "stop". What came too late for it is still in the rings. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#bells.close();
    this.#worker?.ref();
    this.post("stop");
    await this.#ended;
  }

  /** Starts the thread when the first record is there. */
  #await(): Bells {
    const { boot, bellIndex } = this.#options;
    const bells = attachBell(boot.bell);
    bells.listen(bellIndex, () => {
      bells.close();
      this.#start();
    });
    return bells;
  }

  #start(): void {
    const { name, entry, boot } = this.#options;
    const worker = new Worker(entry, { name: name.replaceAll(" ", "-"), workerData: boot });
    // It ends when it is told to, or with the process.
    worker.unref();
    this.#worker = worker;
    worker.on("error", (error) => log.error(`the ${name} failed: ${error.stack ?? error}`));
    this.#ended = new Promise((resolve) => {
      worker.once("exit", () => {
        this.#worker = null;
        resolve();
        // Its successor comes with the next record.
        if (!this.#stopping) this.#bells = this.#await();
      });
    });
  }
}
