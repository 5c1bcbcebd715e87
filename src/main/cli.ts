/**
 * Reads the command line: Envoy's flags and the `inspect` subcommand. Pure: argv in, a command or
 * one message out. Runs once, on main, before anything else.
 */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { LIMITS } from "../base/limits.ts";
import {
  DEFAULT_LOG_FORMAT,
  LOG_COMPONENTS,
  LOG_LEVELS,
  type LogComponent,
  type LogLevel,
} from "../base/log.ts";
import type { FullPolicy } from "../shm/shared-table.ts";
import type { LogFullPolicy } from "../silo/log-ring.ts";
import { FLAGS, type FlagName } from "./cli-options.ts";
import { DEV_PORT, devBootstrap, upstreamUrl } from "./dev.ts";

export type TransportChoice = "auto" | "codec" | "uws";
export type ComponentLevels = readonly (readonly [LogComponent, LogLevel])[];

export interface ServeOptions {
  /** "" = not given. */
  readonly configPath: string;
  /** "" = not given. */
  readonly configYaml: string;
  readonly concurrency: number;
  readonly mode: "serve" | "validate";
  readonly logLevel: LogLevel;
  readonly componentLevels: ComponentLevels;
  readonly logFormat: string;
  /** "" = not given. */
  readonly adminAddressPath: string;
  readonly drainTimeS: number;
  readonly drainStrategy: "gradual" | "immediate";
  readonly transport: TransportChoice;
  /** Read the configuration again when one of its files changes. */
  readonly watch: boolean;
  readonly accessLogFull: LogFullPolicy;
  /** Folder of code that was fetched. */
  readonly codeCachePath: string;
  /** "" = none. */
  readonly registryAuthPath: string;
  readonly sharedDataMib: number;
  readonly sharedDataPolicy: FullPolicy;
}

export type Command =
  | { readonly kind: "run"; readonly options: ServeOptions }
  | { readonly kind: "inspect"; readonly path: string }
  /** `path`: the filter that the configuration must use. */
  | { readonly kind: "dev"; readonly path: string; readonly options: ServeOptions }
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  | { readonly kind: "error"; readonly message: string };

/** A wrong command line; caught by `parseCommandLine` alone. */
class CommandLineError extends Error {
  override readonly name = "CommandLineError";
}

type Values = Readonly<Partial<Record<FlagName, string | boolean>>>;

const CONCURRENCY_MAX = 1024;
const DRAIN_TIME_S_DEFAULT = 600;
const SHARED_DATA_MIB = { fallback: LIMITS.sharedDataBytes / 1_048_576, min: 4, max: 1_024 };

/** Envoy's spellings that mean one of our levels. */
const LEVEL_ALIASES: Readonly<Record<string, LogLevel>> = { warn: "warning", err: "error" };

/**
 * @param argv arguments after the script's name.
 * @param cores default for `--concurrency`, at least 1.
 * @returns what to do; `error` carries one line in the wording of Envoy's parser.
 */
export function parseCommandLine(argv: readonly string[], cores: number): Command {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      options: optionTable(),
      allowPositionals: true,
    });
    return interpret(values as Values, positionals, cores);
  } catch (error) {
    return { kind: "error", message: messageOf(error) };
  }
}

function optionTable(): Record<string, { type: "string" | "boolean"; short?: string }> {
  return Object.fromEntries(
    FLAGS.map((flag) => [
      flag.long,
      {
        type: flag.value === "" ? ("boolean" as const) : ("string" as const),
        ...(flag.short === "" ? {} : { short: flag.short }),
      },
    ]),
  );
}

/** parseArgs explains itself over several sentences; the first one says what is wrong. */
function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split(". ")[0] ?? text;
}

function interpret(values: Values, positionals: readonly string[], cores: number): Command {
  if (values.help === true) return { kind: "help" };
  if (values.version === true) return { kind: "version" };
  const [word, path, ...rest] = positionals;
  if (word === "inspect") {
    if (path === undefined || rest.length > 0) {
      throw new CommandLineError("inspect takes one FILE.wasm");
    }
    return { kind: "inspect", path };
  }
  if (word === "dev") {
    if (path === undefined || rest.length > 0) {
      throw new CommandLineError("dev takes one FILTER.ts, .js or .mjs");
    }
    return { kind: "dev", path, options: devOptions(path, values) };
  }
  if (word !== undefined) throw new CommandLineError(`Unexpected argument '${word}'`);
  for (const flag of ["upstream", "port"] as const) {
    if (values[flag] !== undefined) throw new CommandLineError(`Argument --${flag} is for dev`);
  }
  return { kind: "run", options: serveOptions(values, cores) };
}

/** One silo, and what is saved is taken; under a configuration of its own when none is given. */
function devOptions(path: string, values: Values): ServeOptions {
  const url = text(values, "upstream");
  const hasOwn = values["config-path"] !== undefined || values["config-yaml"] !== undefined;
  if (hasOwn && url !== "") {
    throw new CommandLineError("dev takes --upstream or a configuration, not both");
  }
  const upstream = upstreamUrl(url);
  if (url !== "" && upstream === null) {
    throw new CommandLineError(`Argument --upstream: '${url}' is no http or https URL`);
  }
  const port = integer(values, "port", { fallback: DEV_PORT, max: 65_535, min: 0 });
  const yaml = hasOwn ? {} : { "config-yaml": devBootstrap({ path, upstream, port }) };
  return { ...serveOptions({ ...values, ...yaml }, 1), watch: true };
}

function serveOptions(values: Values, cores: number): ServeOptions {
  const options: ServeOptions = {
    configPath: text(values, "config-path"),
    configYaml: text(values, "config-yaml"),
    concurrency: integer(values, "concurrency", { fallback: cores, max: CONCURRENCY_MAX, min: 1 }),
    mode: oneOf(values, "mode", ["serve", "validate"]),
    logLevel: level(text(values, "log-level") || "info", "log-level"),
    componentLevels: componentLevels(text(values, "component-log-level")),
    logFormat: text(values, "log-format") || DEFAULT_LOG_FORMAT,
    adminAddressPath: text(values, "admin-address-path"),
    drainTimeS: integer(values, "drain-time-s", {
      fallback: DRAIN_TIME_S_DEFAULT,
      max: 0x7fffffff,
      min: 0,
    }),
    drainStrategy: oneOf(values, "drain-strategy", ["gradual", "immediate"]),
    transport: oneOf(values, "transport", ["auto", "codec", "uws"]),
    watch: values.watch === true,
    accessLogFull: oneOf(values, "access-log-full", ["drop", "block"]),
    codeCachePath: text(values, "code-cache-path") || defaultCodeCache(),
    registryAuthPath: text(values, "registry-auth-path") || defaultRegistryAuth(),
    sharedDataMib: integer(values, "shared-data-mib", SHARED_DATA_MIB),
    sharedDataPolicy: oneOf(values, "shared-data-policy", ["refuse", "lru"]),
  };
  if (options.configPath === "" && options.configYaml === "") {
    throw new CommandLineError("One of --config-path and --config-yaml is required");
  }
  return options;
}

/** Of this user alone. */
function defaultCodeCache(): string {
  const base = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  return join(base, "granary", "code");
}

/** Docker's own place, where it is told. */
function defaultRegistryAuth(): string {
  const folder = process.env["DOCKER_CONFIG"] ?? "";
  const path = join(folder, "config.json");
  return folder !== "" && existsSync(path) ? path : "";
}

function text(values: Values, flag: FlagName): string {
  const value = values[flag];
  if (value === undefined) return "";
  if (value === "") throw new CommandLineError(`Argument --${flag} is empty`);
  return String(value);
}

function integer(
  values: Values,
  flag: FlagName,
  range: { readonly fallback: number; readonly min: number; readonly max: number },
): number {
  const written = text(values, flag);
  if (written === "") return range.fallback;
  const value = /^\d+$/.test(written) ? Number(written) : Number.NaN;
  if (!(value >= range.min && value <= range.max)) {
    throw new CommandLineError(
      `Argument --${flag}: '${written}' is not a whole number from ${range.min} to ${range.max}`,
    );
  }
  return value;
}

/** The value of `flag`, or the first of `allowed` when it is not given. */
function oneOf<const T extends string>(
  values: Values,
  flag: FlagName,
  allowed: readonly [T, ...T[]],
): T {
  const written = text(values, flag);
  if (written === "") return allowed[0];
  const found = allowed.find((candidate) => candidate === written);
  if (found === undefined) {
    throw new CommandLineError(
      `Argument --${flag}: '${written}' is not one of ${allowed.join(", ")}`,
    );
  }
  return found;
}

function level(written: string, flag: FlagName): LogLevel {
  const found = LEVEL_ALIASES[written] ?? LOG_LEVELS.find((candidate) => candidate === written);
  if (found === undefined) {
    throw new CommandLineError(
      `Argument --${flag}: '${written}' is not one of ${LOG_LEVELS.join(", ")}`,
    );
  }
  return found;
}

function componentLevels(written: string): ComponentLevels {
  if (written === "") return [];
  return written.split(",").map((pair) => {
    const [name, levelName, ...rest] = pair.split(":");
    if (levelName === undefined || rest.length > 0) {
      throw new CommandLineError(
        `Argument --component-log-level: '${pair}' is not COMPONENT:LEVEL`,
      );
    }
    const component = LOG_COMPONENTS.find((candidate) => candidate === name);
    if (component === undefined) {
      throw new CommandLineError(
        `Argument --component-log-level: '${name}' is not one of ${LOG_COMPONENTS.join(", ")}`,
      );
    }
    return [component, level(levelName, "component-log-level")] as const;
  });
}
