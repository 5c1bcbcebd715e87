/**
 * From the command line to a configuration that can run: read, checked, its modules compiled, its
 * plugins started once on the side. All problems at once, as text. Thread: main.
 */
import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { marksCoroutines } from "../abi/coroutine-exports.ts";
import { checkModule, readModuleInfo } from "../abi/module-info.ts";
import { systemClock } from "../base/clock.ts";
import { LIMITS } from "../base/limits.ts";
import { Logger } from "../base/log.ts";
import { isCodeMissing } from "../config/compile-wasm.ts";
import { formatProblems, type LoadResult, loadConfig } from "../config/load.ts";
import { type RemoteCode, remoteKey } from "../config/remote-code.ts";
import type { FilterChainConfig, GranaryConfig, PluginConfig } from "../config/types.ts";
import { pluginIdentity, serverPlugins, wasmPlugins } from "../vm/plugin-identity.ts";
import { servedImport } from "../vm/served.ts";
import type { ServeOptions } from "./cli.ts";
import { CodeStore } from "./code-store.ts";
import type { CpuPool } from "./cpu-pool.ts";
import type { CanaryTask, CompiledModule } from "./cpu-tasks.ts";
import { loadModules } from "./module-store.ts";
import { bundleScript } from "./script-bundler.ts";
import { NO_XDS, type XdsLoad } from "./xds-status.ts";

const log = new Logger("wasm");

/** What can run: the configuration without module bytes, and the compiled modules. */
export interface Program {
  readonly config: GranaryConfig;
  readonly modules: readonly CompiledModule[];
  /** Absolute names of the files it was made of. */
  readonly files: readonly string[];
  readonly xds: XdsLoad;
  /** Code that could not be fetched: its plugins answer by their policy until it can. */
  readonly missing: readonly RemoteCode[];
}

interface ResultCommon {
  readonly xds: XdsLoad;
  readonly warnings: string;
  /** Absolute names of all files that take part. */
  readonly files: readonly string[];
}
export type ProgramResult = ResultCommon &
  (
    | { readonly kind: "program"; readonly program: Program }
    /** `text`: one or two lines per problem, each with its line end. */
    | { readonly kind: "problems"; readonly text: string }
  );

/** What an update starts from. */
export interface LoadedBefore {
  /** Code and plugins of it are not compiled and tried again; null at the start. */
  readonly running: Program | null;
  /** Texts of xDS files in use, by path. */
  readonly acceptedXds: ReadonlyMap<string, string>;
}

const NOTHING_LOADED: LoadedBefore = { running: null, acceptedXds: new Map() };
const NO_BYTES = new Uint8Array(0);

/** Never throws: what is wrong comes back as text. */
export async function loadProgram(
  options: ServeOptions,
  pool: CpuPool,
  { running, acceptedXds }: LoadedBefore = NOTHING_LOADED,
): Promise<ProgramResult> {
  const attempt = readWithAccepted(options, acceptedXds);
  const loaded = await withRemoteCode(attempt, options, running);
  const own = options.configPath === "" ? [] : [resolve(options.configPath)];
  if (typeof loaded === "string") {
    return { kind: "problems", text: loaded, warnings: "", files: own, xds: NO_XDS };
  }
  const warnings = formatProblems(loaded.result.warnings);
  const files = [...own, ...loaded.result.files];
  const xds: XdsLoad = { ...loaded.result.xds, rejected: attempt.rejected };
  const { config } = loaded.result;
  if (config === null) {
    return { kind: "problems", text: formatProblems(loaded.result.problems), warnings, files, xds };
  }
  const { modules, problems } = await loadModules(config, {
    pool,
    known: running?.modules ?? [],
  });
  const light: GranaryConfig = {
    ...config,
    modules: config.modules.map((module) => ({ ...module, bytes: NO_BYTES })),
  };
  const trial = onlyNewPlugins(light, running?.config ?? null);
  const isTried = trial.listeners.length + trial.services.length + trial.statSinks.length > 0;
  if (problems.length === 0 && isTried) {
    problems.push(...(await runCanary({ config: trial, modules }, pool)));
  }
  if (problems.length > 0) {
    const text = problems.map((line) => `${line}\n`).join("");
    return { kind: "problems", text, warnings, files, xds };
  }
  const program = { config: light, modules, files, xds, missing: loaded.missing };
  return { kind: "program", program, warnings, files, xds };
}

/** One for the process: what files cannot hold is kept in it. */
let codeStore: CodeStore | null = null;

interface LoadedText {
  readonly result: LoadResult;
  readonly missing: readonly RemoteCode[];
}

interface Attempt {
  readonly result: LoadResult | string;
  /** Accepted texts that stood in for files with problems, and those problems, by path. */
  readonly stoodIn: ReadonlyMap<string, string>;
  readonly rejected: ReadonlyMap<string, string>;
}

/** Files with problems are read as they were when they were last accepted, where they were. */
function readWithAccepted(options: ServeOptions, accepted: ReadonlyMap<string, string>): Attempt {
  const stoodIn = new Map<string, string>();
  const rejected = new Map<string, string>();
  for (;;) {
    const result = readConfiguration(options, new Map(), stoodIn);
    if (typeof result === "string") return { result, stoodIn, rejected };
    const faulty = [...new Set(result.problems.map(({ origin }) => origin))].filter(
      (path) => accepted.has(path) && !stoodIn.has(path),
    );
    if (faulty.length === 0) return { result, stoodIn, rejected };
    for (const path of faulty) {
      const own = result.problems.filter(({ origin }) => origin === path);
      rejected.set(path, formatProblems(own));
      stoodIn.set(path, accepted.get(path) ?? "");
    }
  }
}

/** Fetches the code that is not here and reads the configuration once more with it. */
async function withRemoteCode(
  { result, stoodIn }: Attempt,
  options: ServeOptions,
  running: Program | null,
): Promise<LoadedText | string> {
  if (typeof result === "string") return result;
  const { wanted, clusters, problems } = result;
  if (wanted.length === 0 || problems.length > 0) return { result, missing: [] };
  codeStore ??= new CodeStore(systemClock, options.codeCachePath, options.registryAuthPath);
  const { code, failed } = await codeStore.load({ wanted, clusters, isStart: running === null });
  // What is missing at the start, or is missing already, is the matter of each plugin's policy.
  const known = new Set(running?.missing.map(remoteKey));
  const isAllowed = running === null && options.mode === "serve";
  const refused = failed.filter(({ remote }) => !isAllowed && !known.has(remoteKey(remote)));
  if (refused.length > 0) return refused.map(({ reason }) => `${reason}\n`).join("");
  for (const { reason } of failed) log.error(`${reason}: plugins with this code do not run`);
  const missing = failed.map(({ remote }) => remote);
  const none = missing.map((remote) => [remoteKey(remote), null] as const);
  const second = readConfiguration(options, new Map([...code, ...none]), stoodIn);
  return typeof second === "string" ? second : { result: second, missing };
}

/** Tries to fetch what `program` misses. @returns whether some of it is in the cache now */
export async function fetchMissing({ missing, config }: Program): Promise<boolean> {
  if (codeStore === null || missing.length === 0) return false;
  const { code } = await codeStore.load({
    wanted: missing,
    clusters: config.clusters,
    isStart: true,
  });
  return code.size > 0;
}

/** The loaded configuration, or why its file cannot be read. */
function readConfiguration(
  options: ServeOptions,
  remoteCode: ReadonlyMap<string, Uint8Array | null>,
  acceptedXds: ReadonlyMap<string, string>,
): LoadResult | string {
  const { configPath, configYaml } = options;
  const common = {
    checkModule: (bytes: Uint8Array) => checkModule(bytes, servedImport),
    marksCoroutines: (bytes: Uint8Array) => {
      const info = readModuleInfo(bytes);
      return "exports" in info && marksCoroutines(info.exports);
    },
    bundleScript,
    remoteCode,
    acceptedXds,
  };
  if (configPath === "") {
    return loadConfig({ text: configYaml, origin: "--config-yaml", ...common });
  }
  try {
    const { size } = statSync(configPath);
    if (size > LIMITS.configBytes) {
      return `${configPath}: ${size} bytes; the limit is ${LIMITS.configBytes}\n`;
    }
    const text = readFileSync(configPath, "utf8");
    const overlay = configYaml === "" ? {} : { overlay: configYaml };
    return loadConfig({ text, origin: configPath, ...overlay, ...common });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return `unable to read file: ${configPath}: ${reason}\n`;
  }
}

/** What the canary has to start: the plugins that `running` does not have. */
function onlyNewPlugins(config: GranaryConfig, running: GranaryConfig | null): GranaryConfig {
  const before =
    running === null ? [] : [...wasmPlugins(running.listeners), ...serverPlugins(running, "here")];
  const known = new Set(before.map(pluginIdentity));
  const isNew = (plugin: PluginConfig): boolean =>
    !known.has(pluginIdentity(plugin)) && !isCodeMissing(plugin.vm);
  const listeners = config.listeners.flatMap((listener) => {
    const filterChains = listener.filterChains.flatMap((chain): FilterChainConfig[] => {
      if (chain.kind === "tcp") {
        const filters = chain.tcp.filters.filter(isNew);
        const accessLogPlugins = chain.tcp.proxy.accessLogPlugins.filter(isNew);
        if (filters.length + accessLogPlugins.length === 0) return [];
        const proxy = { ...chain.tcp.proxy, accessLogPlugins };
        return [{ ...chain, tcp: { filters, proxy } }];
      }
      const httpFilters = wasmPlugins([{ ...listener, filterChains: [chain] }])
        .filter(isNew)
        .map((plugin) => {
          const { name } = plugin;
          return { kind: "wasm", name, plugin, disabled: false, versions: null } as const;
        });
      if (httpFilters.length === 0) return [];
      const routes = { ...chain.http.routes, virtualHosts: [] };
      return [{ ...chain, http: { ...chain.http, httpFilters, accessLogPlugins: [], routes } }];
    });
    return filterChains.length === 0 ? [] : [{ ...listener, filterChains }];
  });
  const services = config.services.filter(({ plugin }) => isNew(plugin));
  const statSinks = config.statSinks.filter(isNew);
  return { ...config, clusters: [], bootstrapJson: "", listeners, services, statSinks };
}

async function runCanary(program: CanaryTask, pool: CpuPool): Promise<readonly string[]> {
  try {
    return await pool.run("canary", program);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return [`the plugins could not be started: ${reason}`];
  }
}
