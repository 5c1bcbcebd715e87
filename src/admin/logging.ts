/**
 * `/logging`: lists and changes log levels. Source: Envoy, logs_handler.cc.
 */
import { LOG_COMPONENTS, LOG_LEVELS, type LogComponent, type LogLevel } from "../base/log.ts";
import { type AdminHandler, type AdminSource, text } from "./types.ts";

const USAGE = `usage: /logging?<name>=<level> (change single level)
usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)
usage: /logging?level=<level> (change all levels)
usage: /logging?group=<group_name>:<level> (change group of loggers)
levels: ${LOG_LEVELS.join(" ")} 
`;

type Change =
  | { readonly kind: "none" }
  | { readonly kind: "all"; readonly level: LogLevel }
  | { readonly kind: "some"; readonly levels: readonly (readonly [LogComponent, LogLevel])[] }
  | { readonly kind: "error"; readonly reason: string };

export const logging: AdminHandler = ({ query }, source) => {
  const change = changeOf(query);
  if (change.kind === "error") {
    return text(`error: ${change.reason}\n\n${USAGE}${activeLoggers(source)}`, 400);
  }
  if (change.kind === "all") source.control.setLogLevel(change.level);
  if (change.kind === "some") {
    for (const [name, level] of change.levels) source.control.setComponentLogLevel(name, level);
  }
  return text(activeLoggers(source));
};

function activeLoggers(source: AdminSource): string {
  const lines = source.logLevels().map(([name, level]) => `  ${name}: ${level}\n`);
  return `active loggers:\n${lines.join("")}\n`;
}

function changeOf(query: URLSearchParams): Change {
  const parameters = [...query];
  if (parameters.length > 1) return { kind: "error", reason: "invalid number of parameters" };
  const [name = "", value = ""] = parameters[0] ?? [];
  if (value === "") return { kind: "none" };
  if (name === "level") {
    return isLevel(value) ? { kind: "all", level: value } : unknownLevel;
  }
  if (name === "group") {
    return { kind: "error", reason: "group parameter requires fine-grain logging to be enabled" };
  }
  if (name === "paths") return pairsOf(value.split(","));
  return pairsOf([`${name}:${value}`]);
}

const unknownLevel: Change = { kind: "error", reason: "unknown logger level" };

/** Nothing changes unless every pair is right. */
function pairsOf(pairs: readonly string[]): Change {
  const levels: (readonly [LogComponent, LogLevel])[] = [];
  for (const pair of pairs) {
    const colon = pair.indexOf(":");
    const [name, level] = [pair.slice(0, colon), pair.slice(colon + 1)];
    if (colon < 0 || level === "" || (name === "" && pairs.length > 1)) {
      return { kind: "error", reason: "empty logger name or empty logger level" };
    }
    if (!isLevel(level)) return unknownLevel;
    if (!isComponent(name)) return { kind: "error", reason: "unknown logger name" };
    levels.push([name, level]);
  }
  return { kind: "some", levels };
}

function isLevel(word: string): word is LogLevel {
  return (LOG_LEVELS as readonly string[]).includes(word);
}

function isComponent(word: string): word is LogComponent {
  return (LOG_COMPONENTS as readonly string[]).includes(word);
}
