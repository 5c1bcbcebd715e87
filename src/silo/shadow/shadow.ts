/** A version of a filter that runs beside the one that serves: its share, its stats, its log. */
import { LIMITS } from "../../base/limits.ts";
import { Logger } from "../../base/log.ts";
import type { ShadowConfig } from "../../config/types.ts";
import { statNamePart } from "../../metrics/catalogue.ts";
import { SHADOW_STATS } from "../../metrics/dynamic-stats.ts";
import { type HandlesOf, handlesOf, withdrawRows } from "../../metrics/handles.ts";
import { pluginStatName } from "../../vm/plugin-use.ts";
import type { Plugin, PluginHost } from "../../vm/types.ts";
import type { PluginStatSite } from "../plugin-cost-feed.ts";
import type { Difference } from "./compare.ts";

const log = new Logger("wasm");

export class Shadow {
  readonly plugin: Plugin;
  /** 0..1 of the requests. */
  readonly share: number;
  readonly #name: string;
  readonly #host: PluginHost;
  readonly #stats: HandlesOf<typeof SHADOW_STATS>;
  #linesLeft: number = LIMITS.shadowLogLines;

  constructor(config: ShadowConfig, host: PluginHost, { metrics, costs }: PluginStatSite) {
    this.plugin = host.plugin(config.plugin);
    this.share = config.share;
    this.#name = config.name;
    this.#host = host;
    const name = `granary.shadow.${statNamePart(config.name)}`;
    const scope = metrics.scope(name);
    this.#stats = handlesOf(SHADOW_STATS, scope);
    costs.whenGone(pluginStatName(config.plugin.name, "shadow"), name, () =>
      withdrawRows(SHADOW_STATS, scope),
    );
  }

  /** Callouts and look-ups of all shadows of the thread so far. */
  get callouts(): number {
    return this.#host.shadowCallouts;
  }

  begins(): void {
    this.#stats.streams.inc();
  }

  uncompared(): void {
    this.#stats.uncompared.inc();
  }

  compared(differences: readonly Difference[]): void {
    if (differences.length === 0) {
      this.#stats.same.inc();
      return;
    }
    this.#stats.different.inc();
    for (const { kind } of differences) this.#stats[kind].inc();
    if (this.#linesLeft === 0) return;
    this.#linesLeft--;
    const text = differences.map((each) => `${each.kind}: ${each.text}`).join("; ");
    const last = this.#linesLeft === 0 ? " (no more of them are logged)" : "";
    log.warn(`shadow "${this.#name}" differs: ${text}${last}`);
  }
}
