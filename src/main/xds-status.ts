/**
 * What became of each resource that comes from a file: the version in use, and why a newer one was
 * refused. A file that is refused does not hold up the others: its last accepted text stands in.
 * Thread: main.
 */
import type { ReloadReport } from "../admin/types.ts";
import type { Clock } from "../base/clock.ts";
import { Logger } from "../base/log.ts";
import type { XdsResource, XdsSource } from "../config/xds-files.ts";
import { type XdsStats, xdsStats } from "../metrics/dynamic-stats.ts";
import type { MetricScope } from "../metrics/types.ts";

const log = new Logger("config");

/** What one load found. */
export interface XdsLoad {
  readonly sources: readonly XdsSource[];
  readonly resources: readonly XdsResource[];
  /** Problems of files whose accepted text stood in, by path. */
  readonly rejected: ReadonlyMap<string, string>;
}

export const NO_XDS: XdsLoad = { sources: [], resources: [], rejected: new Map() };

/** For `/config_dump`. */
export interface XdsState extends XdsResource {
  readonly updatedWallMs: number;
  readonly failure: { readonly details: string; readonly wallMs: number } | null;
}

interface Subscription {
  readonly stats: XdsStats;
  text: string;
  version: string;
  updatedWallMs: number;
  /** The text that was refused last, so that it is counted once. */
  refusedText: string;
  failure: XdsState["failure"];
}

const keyOf = ({ kind, name }: { kind: string; name: string }): string => `${kind} ${name}`;

export class XdsStatus {
  readonly #clock: Clock;
  readonly #metrics: MetricScope;
  readonly #subscriptions = new Map<string, Subscription>();
  #accepted: ReadonlyMap<string, string> = new Map();
  #resources: readonly XdsResource[] = [];

  constructor(clock: Clock, metrics: MetricScope) {
    this.#clock = clock;
    this.#metrics = metrics;
  }

  /** Texts of the files in use, by path. */
  get accepted(): ReadonlyMap<string, string> {
    return this.#accepted;
  }

  get states(): readonly XdsState[] {
    return this.#resources.map((resource) => {
      const list = resource.kind === "lds" || resource.kind === "cds";
      const subscription = this.#subscriptions.get(
        keyOf({ ...resource, ...(list ? { name: "" } : {}) }),
      );
      return {
        ...resource,
        updatedWallMs: subscription?.updatedWallMs ?? this.#clock.wallMs(),
        failure: subscription?.failure ?? null,
      };
    });
  }

  /** A load was taken or refused as a whole; `texts`: what the files hold now, by path. */
  settle(load: XdsLoad, report: ReloadReport, textOf: (path: string) => string | null): void {
    const isTaken = report.kind !== "refused";
    for (const source of load.sources) {
      const subscription = this.#subscription(source);
      const reason = load.rejected.get(source.path) ?? (isTaken ? null : report.text);
      const present = reason === null ? source.text : (textOf(source.path) ?? "");
      if (present === subscription.text) continue;
      if (reason === null) this.#take(subscription, source);
      else if (present !== subscription.refusedText) {
        subscription.refusedText = present;
        this.#refuse(subscription, source, reason);
      }
    }
    if (!isTaken) return;
    this.#accepted = new Map(load.sources.map(({ path, text }) => [path, text]));
    this.#resources = load.resources;
  }

  #subscription(source: XdsSource): Subscription {
    const key = keyOf(source);
    const known = this.#subscriptions.get(key);
    if (known !== undefined) return known;
    const made: Subscription = {
      stats: xdsStats(this.#metrics, source.statScope),
      text: "",
      version: "",
      updatedWallMs: 0,
      refusedText: "",
      failure: null,
    };
    this.#subscriptions.set(key, made);
    return made;
  }

  #take(subscription: Subscription, { version, text }: XdsSource): void {
    subscription.text = text;
    subscription.refusedText = "";
    subscription.failure = null;
    subscription.updatedWallMs = this.#clock.wallMs();
    subscription.version = version;
    const { stats } = subscription;
    stats.update_attempt.inc();
    stats.update_success.inc();
    stats.update_time.set(subscription.updatedWallMs);
    stats.version.set(numberOf(version));
  }

  #refuse(subscription: Subscription, source: XdsSource, details: string): void {
    subscription.failure = { details, wallMs: this.#clock.wallMs() };
    subscription.stats.update_attempt.inc();
    subscription.stats.update_rejected.inc();
    const what = `${source.kind}${source.name === "" ? "" : ` ${source.name}`}`;
    log.error(`${what}: ${source.path} is refused, version "${subscription.version}" goes on:`);
    for (const line of details.split("\n").filter(Boolean)) log.error(line);
  }
}

/** A gauge that changes when the version does, as Envoy's hash. FNV-1a, 32 bits. */
function numberOf(version: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(version)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}
