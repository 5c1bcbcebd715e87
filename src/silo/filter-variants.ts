/**
 * Which plugins the filters of a connection manager are on a route: the filters' own, or what the
 * route says. Where routes say anything, each plugin of a filter counts its requests by answer, so
 * that two versions side by side can be compared. @hot per-request
 */
import type { FilterOverride, HttpConnectionManagerConfig } from "../config/types.ts";
import { statNamePart } from "../metrics/catalogue.ts";
import { FILTER_VARIANT_STATS } from "../metrics/dynamic-stats.ts";
import { type HandlesOf, handlesOf } from "../metrics/handles.ts";
import type { MetricScope } from "../metrics/types.ts";
import { overridesOf } from "../vm/plugin-identity.ts";
import {
  DATA_STATUS,
  HEADERS_STATUS,
  type Plugin,
  type PluginHost,
  TRAILERS_STATUS,
} from "../vm/types.ts";
import type { Direction, HttpFilter } from "./http-filter.ts";
import { RESPONSE } from "./http-filter.ts";
import type { Stream } from "./stream.ts";

type VariantStats = HandlesOf<typeof FILTER_VARIANT_STATS>;

/** The filters of one route, in order. */
export interface FilterVariant {
  readonly plugins: readonly Plugin[];
  /** Beside `plugins`; empty where routes change nothing. */
  readonly stats: readonly VariantStats[];
}

export class FilterVariants {
  readonly #default: FilterVariant;
  readonly #byOverrides = new Map<readonly FilterOverride[], FilterVariant>();

  /** @param scope of `http.<stat_prefix>` */
  constructor(http: HttpConnectionManagerConfig, plugins: PluginHost, scope: MetricScope) {
    const lists = new Set(overridesOf(http.routes));
    const count = lists.size > 0;
    const variantOf = (overrides: readonly FilterOverride[]): FilterVariant => {
      const chosen = pluginsOf(http, overrides);
      const stats = chosen.map(({ filter, plugin }) =>
        handlesOf(FILTER_VARIANT_STATS, scope.scope(`wasm_filter.${filter}.${plugin}`)),
      );
      return {
        plugins: chosen.map(({ config }) => plugins.plugin(config)),
        stats: count ? stats : [],
      };
    };
    this.#default = variantOf([]);
    for (const list of lists) this.#byOverrides.set(list, variantOf(list));
  }

  /** @param overrides of the route, the very array of its configuration */
  of(overrides: readonly FilterOverride[] | null): FilterVariant {
    return overrides === null ? this.#default : (this.#byOverrides.get(overrides) ?? this.#default);
  }
}

function pluginsOf(http: HttpConnectionManagerConfig, overrides: readonly FilterOverride[]) {
  return http.httpFilters.flatMap((filter) => {
    if (filter.kind !== "wasm") return [];
    const override = overrides.find((each) => each.filter === filter.name);
    const own = filter.disabled ? null : filter.plugin;
    const config = override === undefined ? own : override.plugin;
    if (config === null) return [];
    return [{ config, filter: statNamePart(filter.name), plugin: statNamePart(config.name) }];
  });
}

/** Counts the answer of one stream for its plugins; stands before them and changes nothing. */
export class VariantCounter implements HttpFilter {
  readonly #stream: Stream;
  readonly #stats: readonly VariantStats[];

  constructor(stream: Stream, stats: readonly VariantStats[]) {
    this.#stream = stream;
    this.#stats = stats;
    for (const each of stats) each.rq_total.inc();
  }

  onHeaders(direction: Direction): number {
    if (direction === RESPONSE) this.#count();
    return HEADERS_STATUS.continue;
  }

  onData(): number {
    return DATA_STATUS.continue;
  }

  onTrailers(): number {
    return TRAILERS_STATUS.continue;
  }

  onLog(): void {}
  onDestroy(): void {}

  #count(): void {
    const status = this.#stream.info.responseHeaders?.get(":status") ?? "";
    for (const stats of this.#stats) {
      if (status.startsWith("5")) stats.rq_5xx.inc();
      else if (status.startsWith("4")) stats.rq_4xx.inc();
      else if (status.startsWith("3")) stats.rq_3xx.inc();
      else stats.rq_2xx.inc();
    }
  }
}
