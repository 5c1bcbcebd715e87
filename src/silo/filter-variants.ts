/**
 * Which plugins the filters of a connection manager are for a stream: the filters' own, or what the
 * route says, or one of several versions. Where there is a choice, each plugin of a filter counts
 * its requests by answer, so that two versions side by side can be compared. @hot per-request
 */
import type {
  FilterOverride,
  FilterVersionConfig,
  HttpConnectionManagerConfig,
  WasmFilterConfig,
} from "../config/types.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { HeaderMatcher, matchesAll } from "../http/header-matcher.ts";
import { statNamePart } from "../metrics/catalogue.ts";
import { FILTER_VARIANT_STATS } from "../metrics/dynamic-stats.ts";
import { type HandlesOf, handlesOf, withdrawRows } from "../metrics/handles.ts";
import { overridesOf } from "../vm/plugin-identity.ts";
import { pluginStatName } from "../vm/plugin-use.ts";
import {
  DATA_STATUS,
  HEADERS_STATUS,
  type Plugin,
  type PluginHost,
  TRAILERS_STATUS,
} from "../vm/types.ts";
import type { Direction, HttpFilter } from "./http-filter.ts";
import { RESPONSE } from "./http-filter.ts";
import type { PluginStatSite } from "./plugin-cost-feed.ts";
import { Shadow } from "./shadow/shadow.ts";
import { ShadowProbe } from "./shadow/shadow-probe.ts";
import type { Stream } from "./stream.ts";
import { Tap, TapFilter, type TapSite } from "./tap/tap-filter.ts";
import { createWasmFilter, type WasmFilter } from "./wasm-filter.ts";

type VariantStats = HandlesOf<typeof FILTER_VARIANT_STATS>;

/** One version of a filter. */
interface Version {
  readonly plugin: Plugin;
  readonly stats: VariantStats;
  readonly weight: number;
  readonly headers: readonly HeaderMatcher[];
}

/** A Wasm filter as it is on one route. */
interface WasmChoice {
  readonly kind: "wasm";
  /** At least one; the first serves where no other is chosen. */
  readonly versions: readonly Version[];
  readonly totalWeight: number;
  readonly shadows: readonly Shadow[];
}

/** One place in the chain of a route. */
type Choice = WasmChoice | { readonly kind: "tap"; readonly tap: Tap };

/** The filters of one route, in order. */
export class FilterVariant {
  readonly #choices: readonly Choice[];
  readonly #counts: boolean;

  /** @param counts whether answers are counted by plugin */
  constructor(choices: readonly Choice[], counts: boolean) {
    this.#choices = choices;
    this.#counts = counts;
  }

  /** Appends the filters of one stream, in request order. @param random 0..1, drawn when needed */
  append(stream: Stream, random: () => number, into: HttpFilter[]): void {
    const choices = this.#choices;
    let counter: VariantCounter | null = null;
    if (this.#counts) {
      counter = new VariantCounter(stream);
      into.push(counter);
    }
    for (let i = 0; i < choices.length; i++) {
      const choice = choices[i] as Choice;
      if (choice.kind === "tap") {
        into.push(new TapFilter(choice.tap, stream.info));
        continue;
      }
      const version = versionOf(choice, stream, random);
      counter?.chose(version.stats);
      const filter = createWasmFilter(version.plugin, stream);
      if (filter === null) continue;
      if (choice.shadows.length > 0) withShadows(filter, choice, { stream, random, into });
      else into.push(filter);
    }
  }
}

function versionOf(choice: WasmChoice, stream: Stream, random: () => number): Version {
  const { versions, totalWeight } = choice;
  const first = versions[0] as Version;
  if (versions.length === 1) return first;
  const headers = stream.info.requestHeaders as HeaderMap;
  for (const version of versions) {
    if (version.headers.length > 0 && matchesAll(version.headers, headers)) return version;
  }
  let left = random() * totalWeight;
  for (const version of versions) {
    if (left < version.weight) return version;
    left -= version.weight;
  }
  return first;
}

/** Appends `filter` with the probes of its shadows around it. */
function withShadows(
  filter: WasmFilter,
  { shadows }: WasmChoice,
  to: { readonly stream: Stream; readonly random: () => number; readonly into: HttpFilter[] },
): void {
  const { stream, random, into } = to;
  const bufferBytesMax = stream.info.listener.perConnectionBufferBytes;
  const sides = shadows
    .filter(({ share }) => share === 1 || random() < share)
    .map((shadow) => new ShadowProbe({ shadow, stream, live: filter, bufferBytesMax }).sides());
  for (const [before] of sides) into.push(before);
  into.push(filter);
  for (const [, behind] of sides) into.push(behind);
}

/** What filters need of the silo, beside the plugins. */
export type VariantSite = PluginStatSite & TapSite;

export class FilterVariants {
  readonly #default: FilterVariant;
  readonly #byOverrides = new Map<readonly FilterOverride[], FilterVariant>();

  constructor(http: HttpConnectionManagerConfig, plugins: PluginHost, stats: VariantSite) {
    const lists = new Set(overridesOf(http.routes));
    const hasVersions = http.httpFilters.some(
      (filter) => filter.kind === "wasm" && (filter.versions?.weighted.length ?? 0) > 0,
    );
    const counts = lists.size > 0 || hasVersions;
    const variantOf = (overrides: readonly FilterOverride[]): FilterVariant =>
      new FilterVariant(choicesOf(http, overrides, { plugins, stats }), counts);
    this.#default = variantOf([]);
    for (const list of lists) this.#byOverrides.set(list, variantOf(list));
  }

  /** @param overrides of the route, the very array of its configuration */
  of(overrides: readonly FilterOverride[] | null): FilterVariant {
    return overrides === null ? this.#default : (this.#byOverrides.get(overrides) ?? this.#default);
  }
}

function choicesOf(
  http: HttpConnectionManagerConfig,
  overrides: readonly FilterOverride[],
  { plugins, stats }: { readonly plugins: PluginHost; readonly stats: VariantSite },
): Choice[] {
  const { metrics, costs } = stats;
  const scope = metrics.scope(`http.${statNamePart(http.statPrefix)}`);
  const versionOf = (filter: WasmFilterConfig, version: FilterVersionConfig): Version => {
    const name = `wasm_filter.${statNamePart(filter.name)}.${statNamePart(version.name)}`;
    const own = scope.scope(name);
    const withdraw = (): void => withdrawRows(FILTER_VARIANT_STATS, own);
    costs.whenGone(
      pluginStatName(version.plugin.name, "live"),
      `${http.statPrefix}.${name}`,
      withdraw,
    );
    return {
      plugin: plugins.plugin(version.plugin),
      stats: handlesOf(FILTER_VARIANT_STATS, own),
      weight: version.weight,
      headers: version.headers.map((config) => new HeaderMatcher(config)),
    };
  };
  return http.httpFilters.flatMap((filter): Choice[] => {
    if (filter.kind === "tap") return [{ kind: "tap", tap: new Tap(filter, stats, scope) }];
    if (filter.kind !== "wasm") return [];
    const override = overrides.find((each) => each.filter === filter.name);
    const own = filter.disabled ? null : filter.plugin;
    const plugin = override === undefined ? own : override.plugin;
    if (plugin === null) return [];
    const alone = { name: plugin.name, plugin, weight: 1, headers: [] };
    // A route that brings a plugin of its own replaces all versions.
    const versions = plugin === filter.plugin ? filter.versions : null;
    const weighted = versions?.weighted ?? [];
    const serving = weighted.length === 0 ? [alone] : weighted;
    return [
      {
        kind: "wasm",
        versions: serving.map((version) => versionOf(filter, version)),
        totalWeight: versions?.totalWeight ?? 1,
        shadows: (versions?.shadows ?? []).map((each) => new Shadow(each, plugins, stats)),
      },
    ];
  });
}

/** Counts the answer of one stream for its plugins; stands before them and changes nothing. */
class VariantCounter implements HttpFilter {
  readonly #stream: Stream;
  readonly #stats: VariantStats[] = [];

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  chose(stats: VariantStats): void {
    stats.rq_total.inc();
    this.#stats.push(stats);
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
