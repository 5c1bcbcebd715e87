/** Access loggers: file, stdout, stderr; text and JSON formats. */
import type { AccessLog } from "../gen/envoy/config/accesslog/v3/accesslog_pb.ts";
import type { SubstitutionFormatString } from "../gen/envoy/config/core/v3/substitution_format_string_pb.ts";
import type { FileAccessLog } from "../gen/envoy/extensions/access_loggers/file/v3/file_pb.ts";
import { FileAccessLogSchema } from "../gen/envoy/extensions/access_loggers/file/v3/file_pb.ts";
import {
  StderrAccessLogSchema,
  StdoutAccessLogSchema,
} from "../gen/envoy/extensions/access_loggers/stream/v3/stream_pb.ts";
import type { WasmAccessLog } from "../gen/envoy/extensions/access_loggers/wasm/v3/wasm_pb.ts";
import { WasmAccessLogSchema } from "../gen/envoy/extensions/access_loggers/wasm/v3/wasm_pb.ts";
import { compileLogFilter } from "./compile-log-filter.ts";
import { readSourceText } from "./compile-source.ts";
import { compilePlugin, type ListenerOfPlugin } from "./compile-wasm.ts";
import { DEFAULT_ACCESS_LOG_FORMAT, parseFormat } from "./format.ts";
import type { Place } from "./place.ts";
import { unpack, wireText } from "./place.ts";
import type { JsonValue } from "./protobuf.ts";
import { isMessage } from "./protobuf.ts";
import type { AccessLogConfig, Format, JsonFormat, PluginConfig } from "./types.ts";

type LogFormat = Pick<AccessLogConfig, "format" | "omitEmptyValues">;

/** Where access loggers that are plugins are gathered; null = there cannot be any. */
export interface PluginLoggers {
  readonly listener: ListenerOfPlugin;
  readonly made: PluginConfig[];
}

/** The loggers of one listener or of admin, in order; those with problems are left out. */
export function compileAccessLogs(
  logs: readonly AccessLog[],
  place: Place,
  plugins: PluginLoggers | null = null,
): AccessLogConfig[] {
  const made = logs.map((log, i) => compileAccessLog(log, place.item(i), plugins));
  return made.filter((log) => log !== null);
}

/** `admin.access_log_path`: Envoy's default format into one file. */
export function accessLogOfPath(path: string): AccessLogConfig {
  const read = parseFormat(DEFAULT_ACCESS_LOG_FORMAT);
  const format = "format" in read ? read.format : [];
  const text = { kind: "text", format } as const;
  return { sink: sinkOf(path), filter: null, format: text, omitEmptyValues: false };
}

function compileAccessLog(
  log: AccessLog,
  place: Place,
  plugins: PluginLoggers | null,
): AccessLogConfig | null {
  const at = place.child("typed_config");
  if (log.configType.case !== "typedConfig") {
    at.problem("typed_config is required", 'add typed_config with "@type"');
    return null;
  }
  const message = unpack(log.configType.value);
  const filter =
    log.filter === undefined ? null : compileLogFilter(log.filter, place.child("filter"));
  if (isMessage(message, FileAccessLogSchema)) {
    return { sink: sinkOf(message.path), filter, ...fileFormat(message, at) };
  }
  const out = isMessage(message, StdoutAccessLogSchema);
  if (out || isMessage(message, StderrAccessLogSchema)) {
    const { value } = message.accessLogFormat;
    const sink = { kind: out ? ("stdout" as const) : ("stderr" as const) };
    return { sink, filter, ...substitutionFormat(value, at.child("log_format")) };
  }
  if (plugins !== null && isMessage(message, WasmAccessLogSchema)) {
    if (filter !== null) {
      const text = "a filter of a Wasm access logger is not implemented by Granary";
      place.child("filter").problem(text, "decide in the plugin");
    }
    const plugin = compileLoggerPlugin(message, plugins.listener, at);
    if (plugin !== null) plugins.made.push(plugin);
    return null;
  }
  if (message !== null) {
    const hint = "use FileAccessLog, StdoutAccessLog or StderrAccessLog";
    at.problem(`the access logger ${message.$typeName} is not implemented by Granary`, hint);
  }
  return null;
}

function compileLoggerPlugin(
  message: WasmAccessLog,
  listener: ListenerOfPlugin,
  place: Place,
): PluginConfig | null {
  const at = place.child("config");
  if (message.config !== undefined) return compilePlugin(message.config, listener, at);
  at.problem("config is required", "add config with vm_config");
  return null;
}

function sinkOf(path: string): AccessLogConfig["sink"] {
  if (path === "/dev/stdout") return { kind: "stdout" };
  if (path === "/dev/stderr") return { kind: "stderr" };
  return { kind: "file", path };
}

function fileFormat(message: FileAccessLog, place: Place): LogFormat {
  const { case: kind, value } = message.accessLogFormat;
  switch (kind) {
    case "format":
      return textFormat(value, false, place.child("format"));
    case "jsonFormat":
      return jsonLogFormat(value, place.child("json_format"));
    case "typedJsonFormat":
      return jsonLogFormat(value, place.child("typed_json_format"));
    default:
      return substitutionFormat(value, place.child("log_format"));
  }
}

export function substitutionFormat(
  message: SubstitutionFormatString | undefined,
  place: Place,
): LogFormat {
  if (message === undefined) return textFormat(DEFAULT_ACCESS_LOG_FORMAT, false, place);
  const { case: kind, value } = message.format;
  const omit = message.omitEmptyValues;
  if (kind === "jsonFormat") {
    return { ...jsonLogFormat(value, place.child("json_format")), omitEmptyValues: omit };
  }
  if (kind === "textFormat") return textFormat(value, omit, place.child("text_format"));
  if (kind === "textFormatSource") {
    const at = place.child("text_format_source");
    return textFormat(readSourceText(value, at) ?? "", omit, at);
  }
  return textFormat(DEFAULT_ACCESS_LOG_FORMAT, omit, place);
}

function textFormat(text: string, omitEmptyValues: boolean, place: Place): LogFormat {
  const format = compileFormat(wireText(text), place);
  return { format: { kind: "text", format }, omitEmptyValues };
}

function jsonLogFormat(json: JsonValue, place: Place): LogFormat {
  const made = jsonFormat(json, place);
  return { format: { kind: "json", json: made }, omitEmptyValues: false };
}

function jsonFormat(json: JsonValue, place: Place): JsonFormat {
  if (typeof json === "string") {
    return { kind: "string", format: compileFormat(wireText(json), place) };
  }
  if (typeof json !== "object" || json === null) return { kind: "literal", value: json };
  if (Array.isArray(json)) {
    return { kind: "array", items: json.map((item, i) => jsonFormat(item, place.item(i))) };
  }
  // As in Envoy: sorted, whatever the order in the configuration.
  const fields = Object.entries(json)
    .map(([key, value]) => [wireText(key), jsonFormat(value, place.child(key))] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return { kind: "object", fields };
}

/** Tokens of a format string; reports what is wrong with it and gives none then. */
export function compileFormat(text: string, place: Place): Format {
  const read = parseFormat(text);
  if ("format" in read) return read.format;
  place.problem(read.error, read.hint);
  return [];
}
