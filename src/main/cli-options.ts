/**
 * The command line as data: one row per flag, from which the parser, the help text and
 * `command_line_options` of `/server_info` are made. Names and meanings are Envoy's.
 */
import { LOG_LEVELS } from "../base/log.ts";

export interface FlagRow {
  readonly long: string;
  /** One letter, or "". */
  readonly short: string;
  /** Name of the value in the help text; "" = the flag takes none. */
  readonly value: string;
  readonly help: string;
}

export const FLAGS = [
  { long: "config-path", short: "c", value: "FILE", help: "Envoy v3 bootstrap, YAML or JSON" },
  {
    long: "config-yaml",
    short: "",
    value: "YAML",
    help: "bootstrap text, merged over --config-path",
  },
  {
    long: "concurrency",
    short: "",
    value: "N",
    help: "number of silos (worker threads); default: the cores",
  },
  { long: "mode", short: "", value: "MODE", help: "serve (default) or validate" },
  {
    long: "log-level",
    short: "l",
    value: "LEVEL",
    help: `${LOG_LEVELS.join(", ")}; default info`,
  },
  {
    long: "component-log-level",
    short: "",
    value: "A:LEVEL,B:LEVEL",
    help: "levels of single components: wasm:debug,http:trace",
  },
  {
    long: "log-format",
    short: "",
    value: "FORMAT",
    help: "line format; default [%Y-%m-%d %T.%e][%t][%l][%n] %v",
  },
  {
    long: "admin-address-path",
    short: "",
    value: "FILE",
    help: "file that receives the address of the admin interface",
  },
  {
    long: "drain-time-s",
    short: "",
    value: "SECONDS",
    help: "longest wait when draining; default 600, on a signal at most 10",
  },
  {
    long: "drain-strategy",
    short: "",
    value: "NAME",
    help: "gradual (default) or immediate: how fast answers begin to close",
  },
  {
    long: "transport",
    short: "",
    value: "NAME",
    help: "downstream transport: auto (default), codec or uws",
  },
  {
    long: "watch",
    short: "",
    value: "",
    help: "read the configuration again when its files change",
  },
  {
    long: "access-log-full",
    short: "",
    value: "POLICY",
    help: "when access logs are too slow: drop lines (default), or block",
  },
  {
    long: "shared-data-mib",
    short: "",
    value: "MIB",
    help: "most memory for plugins' shared data; default 64",
  },
  {
    long: "shared-data-policy",
    short: "",
    value: "POLICY",
    help: "when shared data is full: refuse (default), or lru to evict",
  },
  {
    long: "code-cache-path",
    short: "",
    value: "DIR",
    help: "folder for fetched Wasm code; default ~/.cache/granary/code",
  },
  {
    long: "registry-auth-path",
    short: "",
    value: "FILE",
    help: "passwords of image registries, as in Docker's config.json",
  },
  {
    long: "upstream",
    short: "",
    value: "URL",
    help: "of dev: where requests go; default: answered on the spot",
  },
  {
    long: "port",
    short: "",
    value: "PORT",
    help: "of dev: where it listens on loopback; default 10000",
  },
  { long: "version", short: "", value: "", help: "print the version and exit" },
  { long: "help", short: "h", value: "", help: "print this text and exit" },
] as const satisfies readonly FlagRow[];

export type FlagName = (typeof FLAGS)[number]["long"];

/** The text of `--help`. */
export function helpText(): string {
  const labels = FLAGS.map((flag) => {
    const short = flag.short === "" ? "    " : `-${flag.short}, `;
    return `  ${short}--${flag.long}${flag.value === "" ? "" : ` ${flag.value}`}`;
  });
  const width = Math.max(...labels.map((label) => label.length)) + 2;
  const rows = FLAGS.map((flag, index) => `${(labels[index] ?? "").padEnd(width)}${flag.help}`);
  return [
    "granary: an edge proxy that runs Proxy-Wasm filters from an Envoy configuration",
    "",
    "USAGE",
    "  granary -c envoy.yaml [flags]",
    "  granary --mode validate -c envoy.yaml",
    "  granary inspect FILE.wasm",
    "  granary dev FILTER.ts [--upstream URL | -c envoy.yaml] [flags]",
    "",
    "FLAGS",
    ...rows,
    "",
    "SIGNALS",
    "  SIGTERM, SIGINT   drain and exit 0; a second one exits at once",
    "  SIGUSR1           reopen access logs",
    "  SIGHUP            read the configuration again; what is wrong with it changes nothing",
    "",
  ].join("\n");
}
