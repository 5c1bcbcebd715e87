/**
 * What makes Granary read its configuration again: a signal, the admin interface, or files that
 * change (`--watch`). Owns the live update and what it needs to load. Thread: main.
 */
import { readFileSync } from "node:fs";
import { systemClock, type Timer } from "../base/clock.ts";
import type { ServeOptions } from "./cli.ts";
import { fetchMissing, loadProgram, type Program, type ProgramResult } from "./configuration.ts";
import { CpuPool } from "./cpu-pool.ts";
import { FileWatch } from "./file-watch.ts";
import { HeapSweep, heapCollector } from "./heap-sweep.ts";
import { LiveUpdate, type LiveUpdateParts } from "./live-update.ts";
import { planTransports, type TransportPlan } from "./transports.ts";
import { judgeUws } from "./uws-verdict.ts";
import type { XdsLoad, XdsStatus } from "./xds-status.ts";

export interface ReloaderParts
  extends Omit<LiveUpdateParts, "load" | "planTransports" | "settled"> {
  readonly xds: XdsStatus;
}

/** Between two tries to fetch code that is missing; each pause is twice the one before. */
const MISSING_CODE_MS = { min: 1_000, max: 60_000 } as const;

/** Null when the file cannot be read. */
function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

export class Reloader {
  readonly update: LiveUpdate;
  readonly #options: ServeOptions;
  readonly #program: () => Program;
  readonly #pool = new CpuPool(systemClock);
  readonly #watch: FileWatch;
  readonly #xds: XdsStatus;
  readonly #sweep = new HeapSweep(systemClock, heapCollector() ?? (() => undefined));
  #missingTimer: Timer | null = null;
  #isClosed = false;

  constructor(options: ServeOptions, parts: ReloaderParts) {
    this.#options = options;
    this.#xds = parts.xds;
    this.#program = () => parts.running.program;
    this.update = new LiveUpdate({
      ...parts,
      load: () => this.#load(),
      planTransports: (program) => this.#planTransports(program),
      settled: (loaded, report) => {
        this.#xds.settle(loaded.xds, report, readText);
        this.#sweep.updated();
      },
    });
    this.#watch = new FileWatch(systemClock, () => void this.update.reload("files changed"));
  }

  /** Everything serves: from now on changes of files count. */
  start(): void {
    this.#watchFiles(this.#program().files);
    this.#fetchLater(MISSING_CODE_MS.min);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#missingTimer?.cancel();
    this.#sweep.close();
    this.#watch.close();
    await this.#pool.close();
  }

  /** Code that was not to be had at the start is asked for again until it is. */
  #fetchLater(delayMs: number): void {
    if (this.#isClosed || this.#program().missing.length === 0) return;
    this.#missingTimer = systemClock.after(delayMs, async () => {
      if (await fetchMissing(this.#program())) await this.update.reload("code has come");
      this.#fetchLater(Math.min(delayMs * 2, MISSING_CODE_MS.max));
    });
  }

  async #load(): Promise<ProgramResult> {
    const running = this.#program();
    const result = await loadProgram(this.#options, this.#pool, {
      running,
      acceptedXds: this.#xds.accepted,
    });
    // Those of both: the next good version may change either.
    this.#watchFiles([...running.files, ...result.files], result.xds);
    return result;
  }

  /** With `--watch` all of them; those of xDS always, as in Envoy. */
  #watchFiles(files: readonly string[], found: XdsLoad | null = null): void {
    const sources = found?.sources.map(({ path }) => path) ?? [];
    const xds = [...this.#xds.accepted.keys(), ...sources];
    this.#watch.watch(this.#options.watch ? [...files, ...xds] : xds);
  }

  async #planTransports({ config }: Program): Promise<TransportPlan> {
    const { transport } = this.#options;
    return planTransports(transport, config.listeners, await judgeUws(transport, config));
  }
}
