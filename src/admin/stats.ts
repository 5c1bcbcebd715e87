/**
 * `/stats` and `/stats/prometheus`: chooses the samples by the query and hands them to a renderer.
 * Source: Envoy, stats_handler.cc, stats_params.cc.
 */
import { PROMETHEUS_CONTENT_TYPE, renderPrometheus } from "../metrics/prometheus.ts";
import type { MetricSnapshot } from "../metrics/snapshot.ts";
import { nameFilter } from "./filter.ts";
import { HISTOGRAM_MODES, type HistogramMode, statsJson, statsText } from "./stats-render.ts";
import { type AdminHandler, type AdminResponse, type AdminSource, text, typed } from "./types.ts";

export const STATS_FORMATS = ["text", "json", "prometheus"] as const;
export const STATS_TYPES = ["All", "Counters", "Histograms", "Gauges", "TextReadouts"] as const;
type StatsType = (typeof STATS_TYPES)[number];

type Selection =
  | { readonly kind: "ok"; readonly snapshot: MetricSnapshot; readonly mode: HistogramMode }
  | { readonly kind: "error"; readonly reason: string };

export const stats: AdminHandler = (request, source) => {
  const format = request.query.get("format") ?? "text";
  if (!STATS_FORMATS.some((known) => known === format)) {
    return text(`usage: /stats?format=(${STATS_FORMATS.join("|")})\n\n`, 400);
  }
  if (format === "prometheus") return statsPrometheus(request, source);
  const selection = select(request.query, source);
  if (selection.kind === "error") return text(selection.reason, 400);
  return format === "json"
    ? typed("application/json", statsJson(selection.snapshot, selection.mode))
    : text(statsText(selection.snapshot, selection.mode));
};

export async function statsPrometheus(
  { query }: { readonly query: URLSearchParams },
  source: AdminSource,
): Promise<AdminResponse> {
  const selection = select(query, source);
  if (selection.kind === "error") return text(selection.reason, 400);
  const body = await renderPrometheus(selection.snapshot, source.helpTexts(), source.tagRules());
  return typed(PROMETHEUS_CONTENT_TYPE, body);
}

function select(query: URLSearchParams, source: AdminSource): Selection {
  const mode = query.get("histogram_buckets") ?? "summary";
  if (!isHistogramMode(mode)) {
    const modes = HISTOGRAM_MODES.join("|");
    return { kind: "error", reason: `usage: /stats?histogram_buckets=(${modes})\n\n` };
  }
  const type = query.get("type") ?? "All";
  if (!isStatsType(type)) return { kind: "error", reason: "invalid &type= param" };
  const filter = nameFilter(query.get("filter"));
  if (filter.kind === "error") {
    return { kind: "error", reason: `Invalid re2 regex: ${filter.reason}` };
  }
  const usedOnly = query.has("usedonly");
  const inverted = query.has("invert_filter") && query.get("filter") !== null;
  const chosen = ({ name, used }: { readonly name: string; readonly used: boolean }): boolean =>
    (used || !usedOnly) && filter.matches(name) !== inverted;
  const { scalars, histograms } = source.snapshot();
  return {
    kind: "ok",
    mode,
    snapshot: {
      scalars: scalars.filter((sample) => isOfType(type, sample.kind) && chosen(sample)),
      histograms: histograms.filter((sample) => isOfType(type, "histogram") && chosen(sample)),
    },
  };
}

const TYPE_OF_KIND = { counter: "Counters", gauge: "Gauges", histogram: "Histograms" } as const;

function isOfType(type: StatsType, kind: keyof typeof TYPE_OF_KIND): boolean {
  return type === "All" || type === TYPE_OF_KIND[kind];
}

function isStatsType(word: string): word is StatsType {
  return (STATS_TYPES as readonly string[]).includes(word);
}

function isHistogramMode(word: string): word is HistogramMode {
  return (HISTOGRAM_MODES as readonly string[]).includes(word);
}
