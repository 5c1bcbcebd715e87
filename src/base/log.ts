/**
 * Leveled log lines on stderr in Envoy's format, written synchronously so that no line is lost when
 * a thread ends. Callers on a hot path test `enabled()` before they build a message.
 */
import { threadId } from "node:worker_threads";
import { systemClock } from "./clock.ts";
import { writeStderrLine } from "./stderr-lines.ts";

export const LOG_LEVELS = [
  "trace",
  "debug",
  "info",
  "warning",
  "error",
  "critical",
  "off",
] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Components that `--component-log-level` and `/logging` name. */
export const LOG_COMPONENTS = [
  "main",
  "config",
  "admin",
  "connection",
  "http",
  "router",
  "upstream",
  "pool",
  "client",
  "wasm",
  "filter",
] as const;
export type LogComponent = (typeof LOG_COMPONENTS)[number];

/** Envoy's default `--log-format`. */
export const DEFAULT_LOG_FORMAT = "[%Y-%m-%d %T.%e][%t][%l][%n] %v";

const thresholds = new Map<LogComponent, number>();
let defaultThreshold = 2;
let format = DEFAULT_LOG_FORMAT;
let sink: (line: string) => void = writeStderrLine;

/** A logger bound to one component. Thread: any; levels are per thread. */
export class Logger {
  readonly component: LogComponent;
  constructor(component: LogComponent) {
    this.component = component;
  }
  enabled(level: LogLevel): boolean {
    return LOG_LEVELS.indexOf(level) >= (thresholds.get(this.component) ?? defaultThreshold);
  }
  log(level: LogLevel, message: string): void {
    if (this.enabled(level)) sink(formatLine(level, this.component, message));
  }
  trace(message: string): void {
    this.log("trace", message);
  }
  debug(message: string): void {
    this.log("debug", message);
  }
  info(message: string): void {
    this.log("info", message);
  }
  warn(message: string): void {
    this.log("warning", message);
  }
  error(message: string): void {
    this.log("error", message);
  }
}

/** Sets the level of every component of this thread, forgetting single settings. */
export function setLogLevel(level: LogLevel): void {
  defaultThreshold = LOG_LEVELS.indexOf(level);
  thresholds.clear();
}

/** Sets the level of one component of this thread. */
export function setComponentLogLevel(component: LogComponent, level: LogLevel): void {
  thresholds.set(component, LOG_LEVELS.indexOf(level));
}

/** The level in force for `component` on this thread. */
export function logLevelOf(component: LogComponent): LogLevel {
  return LOG_LEVELS[thresholds.get(component) ?? defaultThreshold] ?? "info";
}

/**
 * Sets the line format: %Y %m %d %T %e (ms) %t (thread) %l (level) %L (letter) %n (component) %v
 * (message) %P (pid).
 */
export function setLogFormat(next: string): void {
  format = next;
}

/** Redirects lines (tests). */
export function setLogSink(next: (line: string) => void): void {
  sink = next;
}

function pad(value: number, width: number): string {
  return String(value).padStart(width, "0");
}

function formatLine(level: LogLevel, component: LogComponent, message: string): string {
  const now = new Date(systemClock.wallMs());
  const fields: Record<string, string> = {
    Y: pad(now.getUTCFullYear(), 4),
    m: pad(now.getUTCMonth() + 1, 2),
    d: pad(now.getUTCDate(), 2),
    T: `${pad(now.getUTCHours(), 2)}:${pad(now.getUTCMinutes(), 2)}:${pad(now.getUTCSeconds(), 2)}`,
    e: pad(now.getUTCMilliseconds(), 3),
    t: String(threadId),
    l: level,
    L: (level[0] ?? "").toUpperCase(),
    n: component,
    v: message,
    P: String(process.pid),
  };
  return `${format.replace(/%([A-Za-z])/g, (all, key: string) => fields[key] ?? all)}\n`;
}
