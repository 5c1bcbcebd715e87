/** Which streams an access logger logs, and which local replies a mapper rewrites. */
import type {
  AccessLogFilter,
  ComparisonFilter,
} from "../gen/envoy/config/accesslog/v3/accesslog_pb.ts";
import { ComparisonFilter_Op as Op } from "../gen/envoy/config/accesslog/v3/accesslog_pb.ts";
import { AccessLogType } from "../gen/envoy/data/accesslog/v3/accesslog_pb.ts";
import { compileHeaderMatch } from "./compile-match.ts";
import type { Place } from "./place.ts";
import type { LogFilterConfig } from "./types.ts";

const OPS: Readonly<Record<number, "eq" | "ge" | "le">> = {
  [Op.EQ]: "eq",
  [Op.GE]: "ge",
  [Op.LE]: "le",
};
const EVERYTHING: LogFilterConfig = { kind: "and", filters: [] };

/** A filter that is not implemented has been reported, and lets everything through. */
export function compileLogFilter(message: AccessLogFilter, place: Place): LogFilterConfig {
  const specifier = message.filterSpecifier;
  switch (specifier.case) {
    case "statusCodeFilter":
      return { kind: "status", ...compare(specifier.value.comparison) };
    case "durationFilter":
      return { kind: "duration", ...compare(specifier.value.comparison) };
    case "andFilter":
    case "orFilter": {
      const kind = specifier.case === "andFilter" ? "and" : "or";
      const at = place.child(`${kind}_filter`).child("filters");
      const filters = specifier.value.filters.map((f, i) => compileLogFilter(f, at.item(i)));
      return { kind, filters };
    }
    case "headerFilter": {
      const { header } = specifier.value;
      const at = place.child("header_filter").child("header");
      if (header === undefined) return EVERYTHING;
      return { kind: "header", header: compileHeaderMatch(header, at) };
    }
    case "responseFlagFilter":
      return { kind: "flags", flags: specifier.value.flags };
    case "grpcStatusFilter": {
      const { statuses, exclude } = specifier.value;
      return { kind: "grpcStatus", statuses, exclude };
    }
    case "logTypeFilter": {
      const { types, exclude } = specifier.value;
      const named = types.includes(AccessLogType.DownstreamEnd);
      // Lines are written at the end of streams, never else.
      return named !== exclude ? EVERYTHING : { kind: "or", filters: [] };
    }
    // There are no health check requests to leave out.
    default:
      return EVERYTHING;
  }
}

/** The runtime key cannot be set here, so that the default holds. */
function compare(message: ComparisonFilter | undefined): {
  readonly op: "eq" | "ge" | "le";
  readonly value: number;
} {
  return { op: OPS[message?.op ?? Op.EQ] ?? "eq", value: message?.value?.defaultValue ?? 0 };
}
