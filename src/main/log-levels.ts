/**
 * Log levels of main and, through it, of every silo. Thread: main.
 */
import {
  LOG_COMPONENTS,
  type LogComponent,
  type LogLevel,
  logLevelOf,
  setComponentLogLevel,
  setLogFormat,
  setLogLevel,
} from "../base/log.ts";
import type { SiloBoot } from "../silo/messages.ts";
import type { ServeOptions } from "./cli.ts";

/** Applies the command line to this thread. */
export function applyLogOptions(options: ServeOptions): void {
  setLogLevel(options.logLevel);
  for (const [component, level] of options.componentLevels) setComponentLogLevel(component, level);
  setLogFormat(options.logFormat);
}

/** Levels in force, by component. */
export function currentLevels(): readonly (readonly [LogComponent, LogLevel])[] {
  return LOG_COMPONENTS.map((component) => [component, logLevelOf(component)] as const);
}

/** For a silo that starts now: what `/logging` changed since the start holds for it too. */
export function siloLogOptions(options: ServeOptions): SiloBoot["log"] {
  return { level: options.logLevel, components: currentLevels(), format: options.logFormat };
}
