/**
 * Envoy's substitution format strings to tokens. Knows no protobuf. `%HOSTNAME%` and
 * `%ENVIRONMENT(X)%` are the same for every request of a process and become text here.
 */
import { hostname } from "node:os";
import { FORMAT_OPERATORS, type FormatOperator, PLUGIN_COST_ARGUMENT } from "./format-operators.ts";
import type { Format, FormatToken } from "./types.ts";

export { DEFAULT_ACCESS_LOG_FORMAT } from "./format-operators.ts";

export type FormatRead =
  | { readonly format: Format }
  | { readonly error: string; readonly hint: string };

/** Name, `(argument)`, `:length`; the argument may hold percent signs (START_TIME). */
const OPERATOR = /%([A-Z0-9_]+)(?:\((.*?)\))?(?::(\d+))?%/y;
const HEADER_NAME = /^:?[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** strftime letters that are implemented, with Envoy's `%3f` and `%f` for fractions. */
const TIME = /%(?:[1-9]f|[aAbBcdDeFfhHIjmMprRsSTuwxXyYzZ%])/g;
const POINT = "(?:DS_RX_BEG|DS_RX_END|US_TX_BEG|US_RX_BEG|US_RX_END|DS_TX_BEG|DS_TX_END)";
const SPAN = new RegExp(`^${POINT}:${POINT}:(?:ms|us|ns)$`);

/**
 * Parses one format string.
 * @returns tokens with neighbouring texts joined, or what is wrong and what to write.
 */
export function parseFormat(source: string): FormatRead {
  const tokens: FormatToken[] = [];
  for (let at = 0; at < source.length; ) {
    const percent = source.indexOf("%", at);
    if (percent < 0) {
      pushText(tokens, source.slice(at));
      break;
    }
    pushText(tokens, source.slice(at, percent));
    if (source[percent + 1] === "%") {
      pushText(tokens, "%");
      at = percent + 2;
      continue;
    }
    OPERATOR.lastIndex = percent;
    const match = OPERATOR.exec(source);
    if (match === null) return notAnOperator(source, percent);
    const error = pushOperator(tokens, match);
    if (error !== null) return error;
    at = percent + match[0].length;
  }
  return { format: tokens };
}

function notAnOperator(source: string, at: number): FormatRead {
  const near = source.slice(at, at + 30);
  return {
    error: `no operator begins at "${near}" (character ${at + 1})`,
    hint: "write %OPERATOR%, %OPERATOR(argument)% or %% for a percent sign",
  };
}

function pushOperator(tokens: FormatToken[], match: RegExpExecArray) {
  const [, name = "", argument, length] = match;
  const operator = FORMAT_OPERATORS.get(name);
  if (operator === undefined) {
    return {
      error: `%${name}% is not an operator that Granary implements`,
      hint: `remove it, or use one of ${[...FORMAT_OPERATORS.keys()].sort().join(", ")}`,
    };
  }
  const wrong = argumentError(name, operator, argument);
  if (wrong !== null) return wrong;
  if (length !== undefined && !operator.length) {
    return { error: `%${name}% takes no length`, hint: `remove ":${length}"` };
  }
  const lengthMax = length === undefined ? -1 : Number(length);
  const fixed = fixedText(name, argument ?? "");
  if (fixed !== null) pushText(tokens, lengthMax < 0 ? fixed : fixed.slice(0, lengthMax));
  else {
    const text = operator.shape === "headers" ? (argument ?? "").toLowerCase() : (argument ?? "");
    tokens.push({ kind: "operator", name, argument: text, lengthMax });
  }
  return null;
}

function argumentError(name: string, operator: FormatOperator, argument: string | undefined) {
  if (argument === undefined) {
    if (operator.argument !== "required") return null;
    return { error: `%${name}% needs an argument`, hint: `write %${name}(...)%` };
  }
  if (operator.argument === "none") {
    return { error: `%${name}% takes no argument`, hint: `write %${name}%` };
  }
  const error = shapeError(operator, argument);
  return error === null ? null : { error: `%${name}(${argument})%: ${error}`, hint: "" };
}

function shapeError(operator: FormatOperator, argument: string): string | null {
  switch (operator.shape) {
    case "headers": {
      const names = argument.split("?");
      if (names.length > 2) return "at most one alternative header (A?B) may be given";
      return names.every((name) => HEADER_NAME.test(name)) ? null : "not a header name";
    }
    case "time":
      return argument.replaceAll(TIME, "").includes("%") ? "not a time format" : null;
    case "span":
      return SPAN.test(argument)
        ? null
        : "write two points and ms, us or ns: DS_RX_BEG:DS_TX_END:ms";
    case "plugin":
      return PLUGIN_COST_ARGUMENT.test(argument)
        ? null
        : "write a plugin's name and time_us, calls, hostcalls or memory_bytes: name:calls";
    case "words":
      return operator.words.includes(argument)
        ? null
        : `the argument is one of ${operator.words.join(", ")}`;
    default:
      return argument === "" ? "the argument is empty" : null;
  }
}

/** Text of operators that never change while the process runs; null for the others. */
function fixedText(name: string, argument: string): string | null {
  if (name === "HOSTNAME") return hostname() || "-";
  if (name === "ENVIRONMENT") return process.env[argument] ?? "-";
  return null;
}

function pushText(tokens: FormatToken[], text: string): void {
  if (text === "") return;
  const last = tokens.at(-1);
  if (last?.kind === "text") tokens[tokens.length - 1] = { kind: "text", text: last.text + text };
  else tokens.push({ kind: "text", text });
}
