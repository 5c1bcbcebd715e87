/**
 * What makes Granary read its configuration again: a signal, the admin interface, or files that
 * change (`--watch`). Owns the live update and what it needs to load. Thread: main.
 */
import { systemClock } from "../base/clock.ts";
import type { ServeOptions } from "./cli.ts";
import { loadProgram, type Program, type ProgramResult } from "./configuration.ts";
import { CpuPool } from "./cpu-pool.ts";
import { FileWatch } from "./file-watch.ts";
import { LiveUpdate, type LiveUpdateParts } from "./live-update.ts";
import { planTransports, type TransportPlan } from "./transports.ts";
import { judgeUws } from "./uws-verdict.ts";

export class Reloader {
  readonly update: LiveUpdate;
  readonly #options: ServeOptions;
  readonly #program: () => Program;
  readonly #pool = new CpuPool(systemClock);
  readonly #watch: FileWatch;

  constructor(options: ServeOptions, parts: Omit<LiveUpdateParts, "load" | "planTransports">) {
    this.#options = options;
    this.#program = () => parts.running.program;
    this.update = new LiveUpdate({
      ...parts,
      load: () => this.#load(),
      planTransports: (program) => this.#planTransports(program),
    });
    this.#watch = new FileWatch(systemClock, () => void this.update.reload("files changed"));
  }

  /** Everything serves: from now on changes of files count. */
  start(): void {
    if (this.#options.watch) this.#watch.watch(this.#program().files);
  }

  async close(): Promise<void> {
    this.#watch.close();
    await this.#pool.close();
  }

  async #load(): Promise<ProgramResult> {
    const running = this.#program();
    const result = await loadProgram(this.#options, this.#pool, running);
    // Those of both: the next good version may change either.
    if (this.#options.watch) this.#watch.watch([...running.files, ...result.files]);
    return result;
  }

  async #planTransports({ config }: Program): Promise<TransportPlan> {
    const { transport } = this.#options;
    return planTransports(transport, config.listeners, await judgeUws(transport, config));
  }
}
