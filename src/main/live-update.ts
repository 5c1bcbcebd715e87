/**
 * Puts a new configuration in the place of the one that runs. It is loaded, compiled and tried on
 * the side as at the start; then every silo prepares it; only when all have done so they switch
 * over. Whatever is wrong on the way, the old configuration goes on untouched. Thread: main.
 */
import type { ReloadReport } from "../admin/types.ts";
import type { Clock } from "../base/clock.ts";
import { Logger } from "../base/log.ts";
import type { ServerPluginsConfig } from "../config/types.ts";
import type { ConfigUpdate, ListenerSeat } from "../silo/messages.ts";
import type { Acceptor } from "./acceptor.ts";
import { type ConfigDiff, diffConfigs, isEmptyDiff } from "./config-diff.ts";
import type { Program, ProgramResult } from "./configuration.ts";
import type { MainMetrics } from "./main-metrics.ts";
import type { Running } from "./running.ts";
import type { SiloThread } from "./silo-thread.ts";
import type { Supervisor } from "./supervisor.ts";
import type { TransportPlan } from "./transports.ts";
import { planSeats, type SeatPlans, UpdateDoors } from "./update-seats.ts";

const log = new Logger("config");

export interface LiveUpdateParts {
  readonly clock: Clock;
  readonly running: Running;
  readonly supervisor: Pick<Supervisor, "silos">;
  /** Null: silos listen themselves. */
  readonly acceptor: Acceptor | null;
  readonly metrics: Pick<MainMetrics, "updated">;
  /** How long connections of removed listeners may go on. */
  readonly drainMs: number;
  /** Whether updates are taken at all: not while draining. */
  isOpen(): boolean;
  /** A load was decided on. */
  settled(loaded: ProgramResult, report: ReloadReport): void;
  /** Reads, checks and tries the configuration; `running` is what need not be tried again. */
  load(running: Program): Promise<ProgramResult>;
  planTransports(program: Program): Promise<TransportPlan>;
}

export class LiveUpdate {
  readonly #parts: LiveUpdateParts;
  #lastId: number;
  #current: Promise<ReloadReport> | null = null;
  #waiting: Promise<ReloadReport> | null = null;

  constructor(parts: LiveUpdateParts) {
    this.#parts = parts;
    this.#lastId = Math.max(-1, ...parts.running.seats.map(({ id }) => id));
  }

  /**
   * Reads the configuration again. One at a time: calls that come during an update share the next
   * one, because the file may have changed since the present one read it. Never rejects.
   */
  reload(cause: string): Promise<ReloadReport> {
    if (this.#current === null) {
      this.#current = this.#run(cause).finally(() => {
        this.#current = null;
      });
      return this.#current;
    }
    this.#waiting ??= this.#current.then(() => {
      this.#waiting = null;
      return this.reload(cause);
    });
    return this.#waiting;
  }

  async #run(cause: string): Promise<ReloadReport> {
    const { clock, metrics, running } = this.#parts;
    log.info(`${cause}: loading the configuration again`);
    const startMs = clock.monotonicMs();
    const { report, diff } = await this.#attempt().catch((error: unknown) => ({
      report: refused([error instanceof Error ? (error.stack ?? error.message) : String(error)]),
      diff: null,
    }));
    const tookMs = clock.monotonicMs() - startMs;
    if (report.kind === "refused") {
      running.failure = { details: report.text, wallMs: clock.wallMs() };
      log.error(`the new configuration is refused, version ${running.version} goes on:`);
      for (const line of report.text.split("\n").filter(Boolean)) log.error(line);
    } else if (report.kind === "applied") {
      log.info(`configuration ${report.version} is in use (${report.summary})`);
    } else {
      running.failure = null;
      log.info("the configuration has not changed");
    }
    const { listeners, clusters } = running.program.config;
    metrics.updated(report, diff, {
      tookMs,
      listeners: listeners.length,
      clusters: clusters.length,
    });
    return report;
  }

  async #attempt(): Promise<{ report: ReloadReport; diff: ConfigDiff | null }> {
    const { running, load } = this.#parts;
    if (!this.#parts.isOpen()) {
      return { report: refused(["the server is draining"]), diff: null };
    }
    const loaded = await load(running.program);
    const outcome = await this.#decide(loaded);
    this.#parts.settled(loaded, outcome.report);
    return outcome;
  }

  async #decide(loaded: ProgramResult): Promise<{ report: ReloadReport; diff: ConfigDiff | null }> {
    const { running } = this.#parts;
    for (const line of loaded.warnings.split("\n").filter(Boolean)) log.warn(line);
    if (loaded.kind === "problems") {
      return { report: { kind: "refused", text: loaded.text }, diff: null };
    }
    const { program } = loaded;
    const diff = diffConfigs(running.program.config, program.config);
    if (isEmptyDiff(diff)) {
      return { report: { kind: "unchanged", version: running.version }, diff };
    }
    if (diff.refusals.length > 0) return { report: refused(diff.refusals), diff };
    const transports = await this.#parts.planTransports(program);
    if (transports.kind === "refused") return { report: refused([transports.problem]), diff };
    const plans = planSeats(running.listeners, program.config.listeners, {
      transports: transports.transports,
      nextId: () => ++this.#lastId,
    });
    const doors = new UpdateDoors(this.#parts.acceptor);
    const seats = await doors.open(plans);
    if (typeof seats === "string") {
      doors.close();
      return { report: refused([seats]), diff };
    }
    const update = this.#updateOf(program, diff, { plans, seats });
    const problems = await this.#switchOver(update, doors, () => running.replace(program, seats));
    if (problems.length > 0) return { report: refused(problems), diff };
    const summary = summaryOf(diff);
    return { report: { kind: "applied", version: running.version, summary }, diff };
  }

  #updateOf(
    program: Program,
    diff: ConfigDiff,
    { plans, seats }: { plans: SeatPlans; seats: readonly ListenerSeat[] },
  ): ConfigUpdate {
    const { running, drainMs } = this.#parts;
    const known = new Set(running.program.modules.map(({ key }) => key));
    return {
      version: running.version + 1,
      clusters: [...diff.clusters.added, ...diff.clusters.modified],
      removedClusters: diff.clusters.removed,
      listeners: plans.next.flatMap(({ config, state }, index) => {
        const seat = seats[index];
        return state === "kept" || seat === undefined ? [] : [{ config, seat }];
      }),
      server: diff.server ? serverPart(program.config) : null,
      removedListeners: plans.closing.map(({ seat }) => seat.id),
      modules: program.modules.filter(({ key }) => !known.has(key)),
      drainMs,
    };
  }

  /** Both phases. @returns why the update is refused; nothing has changed then. */
  async #switchOver(
    update: ConfigUpdate,
    doors: UpdateDoors,
    replace: () => void,
  ): Promise<readonly string[]> {
    const { supervisor, acceptor } = this.#parts;
    const asked = supervisor.silos;
    const answers = await Promise.all(asked.map((silo) => prepare(silo, update)));
    const problems = [...new Set(answers.flat())];
    if (problems.length > 0) {
      await Promise.all(asked.map((silo) => silo.call((remote) => remote.abandon())));
      doors.close();
      return problems;
    }
    // From here on silos that start have the new configuration; nothing can be refused any more.
    replace();
    const late = supervisor.silos.filter((silo) => !asked.includes(silo));
    await Promise.all(late.map((silo) => prepare(silo, update)));
    doors.release();
    await Promise.all([...asked, ...late].map(commit));
    acceptor?.closeListeners(update.removedListeners);
    return [];
  }
}

/** Why `silo` refuses; nothing when it is gone, for its successor starts with what is decided. */
async function prepare(silo: SiloThread, update: ConfigUpdate): Promise<readonly string[]> {
  silo.isPreparing = true;
  const problems = await silo.call((remote) => remote.prepare(update));
  silo.isPreparing = false;
  if (problems !== null) return problems;
  return isGone(silo) ? [] : [`silo ${silo.index} could not prepare the configuration`];
}

/** A silo that does not switch over is replaced by one that starts with the new configuration. */
async function commit(silo: SiloThread): Promise<void> {
  const answer = await silo.call((remote) => remote.commit());
  if (answer !== null || isGone(silo)) return;
  silo.transition("fail", "it did not take the new configuration");
}

function isGone({ state }: SiloThread): boolean {
  return state === "failed" || state === "stopped";
}

function refused(problems: readonly string[]): ReloadReport {
  return { kind: "refused", text: problems.map((line) => `${line}\n`).join("") };
}

function serverPart({
  services,
  statSinks,
  statsFlushMs,
}: ServerPluginsConfig): ServerPluginsConfig {
  return { services, statSinks, statsFlushMs };
}

/** Such as "clusters: 1 added, 2 modified; listeners: 1 modified". */
function summaryOf(diff: ConfigDiff): string {
  const parts = (["listeners", "clusters"] as const).flatMap((kind) => {
    const counts = (["added", "modified", "removed"] as const).flatMap((what) => {
      const count = diff[kind][what].length;
      return count === 0 ? [] : [`${count} ${what}`];
    });
    return counts.length === 0 ? [] : [`${kind}: ${counts.join(", ")}`];
  });
  return [...parts, ...(diff.server ? ["services and stats sinks"] : [])].join("; ");
}
