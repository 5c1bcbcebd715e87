/**
 * A whole line of an access log, or the body of a local reply: text, or JSON in which an operator
 * that stands alone keeps its type. Compiled once. Strings are latin1 (one code unit = one byte on
 * the wire).
 */
import type { Format, JsonFormat, TextOrJsonFormat } from "../config/types.ts";
import { compileOperator, compileText, type ReadValue } from "./formatter.ts";
import type { StreamInfo } from "./stream-info.ts";

export type WholeText = (info: StreamInfo) => string;

/** @param empty whether operators without a value show as "-" and null, or not at all */
export function compileWhole(format: TextOrJsonFormat, empty: "show" | "omit"): WholeText {
  if (format.kind === "text") return compileText(format.format, absentText(empty));
  const value = compileJson(format.json, empty);
  return (info) => `${value(info) ?? "null"}\n`;
}

function absentText(empty: "show" | "omit"): string {
  return empty === "omit" ? "" : "-";
}

/** A value as JSON; null = null, which is left out of objects where empty values are. */
function compileJson(format: JsonFormat, empty: "show" | "omit"): ReadValue {
  switch (format.kind) {
    case "object":
      return compileObject(format.fields, empty);
    case "array":
      return compileArray(format.items, empty);
    case "literal": {
      const { value } = format;
      const text = value === null ? null : JSON.stringify(value);
      return () => text;
    }
    default:
      return compileJsonText(format.format, empty);
  }
}

function compileObject(
  fields: readonly (readonly [string, JsonFormat])[],
  empty: "show" | "omit",
): ReadValue {
  const keys = fields.map(([key]) => `${JSON.stringify(key)}:`);
  const values = fields.map(([, inner]) => compileJson(inner, empty));
  const absent = empty === "omit" ? null : "null";
  return (info) => {
    let out = "";
    for (let i = 0; i < keys.length; i++) {
      const value = (values[i] as ReadValue)(info) ?? absent;
      if (value === null) continue;
      out += out === "" ? "{" : ",";
      out += keys[i] as string;
      out += value;
    }
    return out === "" ? "{}" : `${out}}`;
  };
}

function compileArray(items: readonly JsonFormat[], empty: "show" | "omit"): ReadValue {
  const values = items.map((item) => compileJson(item, empty));
  return (info) => {
    let out = "[";
    for (let i = 0; i < values.length; i++) {
      if (i > 0) out += ",";
      out += (values[i] as ReadValue)(info) ?? "null";
    }
    return `${out}]`;
  };
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
function compileJsonText(format: Format, empty: "show" | "omit"): ReadValue {
  const only = format.length === 1 ? format[0] : undefined;
  if (only?.kind !== "operator") {
    const text = compileText(format, absentText(empty));
    return (info) => quote(text(info));
  }
  const read = compileOperator(only);
  const isNumber = only.name === "GRPC_STATUS" && only.argument === "NUMBER";
  if (!isNumber && !NUMERIC.has(only.name)) {
    return (info) => {
      const value = read(info);
      return value === null ? null : quote(value);
    };
  }
  return (info) => {
    const value = read(info);
    return value === null ? null : numberText(value);
  };
}

const TO_ESCAPE = /["\\\0-\x1f]/;

/** As JSON.stringify, which is slower where there is nothing to escape. */
function quote(text: string): string {
  return TO_ESCAPE.test(text) ? JSON.stringify(text) : `"${text}"`;
}

/** Most are digits already; what is no number is null, as in JSON.stringify. */
function numberText(text: string): string {
  const value = Number(text);
  return Number.isFinite(value) ? String(value) : "null";
}
