/**
 * Decides about a stream by an access log filter. Compiled once.
 */
import type { LogFilterConfig } from "../config/types.ts";
import { HeaderMap } from "../http/header-map.ts";
import { HeaderMatcher } from "../http/header-matcher.ts";
import { compileOperator } from "./formatter.ts";
import type { StreamInfo } from "./stream-info.ts";

export type LogFilter = (info: StreamInfo) => boolean;

const NO_HEADERS = new HeaderMap();
const grpcStatus = compileOperator({
  kind: "operator",
  name: "GRPC_STATUS_NUMBER",
  argument: "",
  lengthMax: -1,
});
/** gRPC's "unknown", which Envoy takes for a missing status. */
const GRPC_UNKNOWN = 2;

export function compileFilter(config: LogFilterConfig): LogFilter {
  switch (config.kind) {
    case "status":
      return (info) => compare(info.responseCode, config);
    case "duration":
      return (info) => compare(Math.floor(info.endMs - info.startMs), config);
    case "and": {
      const filters = config.filters.map(compileFilter);
      return (info) => filters.every((filter) => filter(info));
    }
    case "or": {
      const filters = config.filters.map(compileFilter);
      return (info) => filters.some((filter) => filter(info));
    }
    case "header": {
      const matcher = new HeaderMatcher(config.header);
      return (info) => matcher.matches(info.requestHeaders ?? NO_HEADERS);
    }
    case "flags":
      return ({ responseFlags }) =>
        config.flags.length === 0
          ? responseFlags.length > 0
          : responseFlags.some((flag) => config.flags.includes(flag));
    case "grpcStatus":
      return (info) => {
        const status = Number(grpcStatus(info) ?? GRPC_UNKNOWN);
        return config.statuses.includes(status) !== config.exclude;
      };
  }
}

function compare(
  value: number,
  { op, value: limit }: { readonly op: "eq" | "ge" | "le"; readonly value: number },
): boolean {
  if (op === "eq") return value === limit;
  return op === "ge" ? value >= limit : value <= limit;
}
