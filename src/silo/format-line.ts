/**
 * A whole line of an access log, or the body of a local reply: text, or JSON in which an operator
 * that stands alone keeps its type. Strings are latin1 (one code unit = one byte on the wire).
 */
import type { JsonFormat, TextOrJsonFormat } from "../config/types.ts";
import { formatText, tokenValue } from "./formatter.ts";
import type { StreamInfo } from "./stream-info.ts";

/** @param empty whether operators without a value show as "-" and null, or not at all */
export function formatWhole(
  format: TextOrJsonFormat,
  info: StreamInfo,
  empty: "show" | "omit",
): string {
  const omit = empty === "omit";
  if (format.kind === "text") return formatText(format.format, info, omit ? "" : "-");
  return `${JSON.stringify(jsonValue(format.json, info, omit))}\n`;
}

function jsonValue(format: JsonFormat, info: StreamInfo, omitEmpty: boolean): unknown {
  switch (format.kind) {
    case "object": {
      const fields = format.fields.map(
        ([key, inner]) => [key, jsonValue(inner, info, omitEmpty)] as const,
      );
      return Object.fromEntries(fields.filter(([, value]) => !(omitEmpty && value === null)));
    }
    case "array":
      return format.items.map((item) => jsonValue(item, info, omitEmpty));
    case "literal":
      return format.value;
    default:
      return jsonText(format.format, info, omitEmpty);
  }
}

const NUMERIC = new Set([
  "RESPONSE_CODE",
  "BYTES_RECEIVED",
  "BYTES_SENT",
  "DURATION",
  "REQUEST_DURATION",
  "RESPONSE_DURATION",
  "RESPONSE_TX_DURATION",
  "REQUEST_TX_DURATION",
  "COMMON_DURATION",
  "REQUEST_HEADERS_BYTES",
  "RESPONSE_HEADERS_BYTES",
  "RESPONSE_TRAILERS_BYTES",
  "DOWNSTREAM_REMOTE_PORT",
  "UPSTREAM_REMOTE_PORT",
  "GRPC_STATUS_NUMBER",
  "CONNECTION_ID",
  "DOWNSTREAM_LOCAL_PORT",
  "UPSTREAM_REQUEST_ATTEMPT_COUNT",
]);

/** A field that is one operator keeps its type: numbers stay numbers, absence is null. */
function jsonText(
  format: Extract<JsonFormat, { kind: "string" }>["format"],
  info: StreamInfo,
  omitEmpty: boolean,
): unknown {
  const only = format.length === 1 ? format[0] : undefined;
  if (only?.kind !== "operator") return formatText(format, info, omitEmpty ? "" : "-");
  const value = tokenValue(only, info);
  if (value === null) return null;
  if (only.name === "GRPC_STATUS" && only.argument === "NUMBER") return Number(value);
  return NUMERIC.has(only.name) ? Number(value) : value;
}
