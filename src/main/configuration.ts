/**
 * From the command line to a configuration that can run: read, checked, its modules compiled, its
 * plugins started once on the side. All problems at once, as text. Thread: main.
 */
import { readFileSync, statSync } from "node:fs";
import { checkModule } from "../abi/module-info.ts";
import { LIMITS } from "../base/limits.ts";
import { formatProblems, type LoadResult, loadConfig } from "../config/load.ts";
import type { GranaryConfig } from "../config/types.ts";
import { servedImport } from "../vm/served.ts";
import type { ServeOptions } from "./cli.ts";
import type { CpuPool } from "./cpu-pool.ts";
import type { CompiledModule } from "./cpu-tasks.ts";

/** What can run: the configuration without module bytes, and the compiled modules. */
export interface Program {
  readonly config: GranaryConfig;
  readonly modules: readonly CompiledModule[];
}

export type ProgramResult =
  | { readonly kind: "program"; readonly program: Program; readonly warnings: string }
  /** `text`: one or two lines per problem, each with its line end. */
  | { readonly kind: "problems"; readonly text: string; readonly warnings: string };

const NO_BYTES = new Uint8Array(0);

/** Never throws: what is wrong comes back as text. */
export async function loadProgram(options: ServeOptions, pool: CpuPool): Promise<ProgramResult> {
  const loaded = readConfiguration(options);
  if (typeof loaded === "string") return { kind: "problems", text: loaded, warnings: "" };
  const warnings = formatProblems(loaded.warnings);
  const { config } = loaded;
  if (config === null) return { kind: "problems", text: formatProblems(loaded.problems), warnings };
  const problems: string[] = [];
  const modules = await compileModules(config, problems);
  const light: GranaryConfig = {
    ...config,
    modules: config.modules.map((module) => ({ ...module, bytes: NO_BYTES })),
  };
  if (problems.length === 0 && modules.length > 0) {
    problems.push(...(await runCanary({ config: light, modules }, pool)));
  }
  if (problems.length > 0) {
    return { kind: "problems", text: problems.map((line) => `${line}\n`).join(""), warnings };
  }
  return { kind: "program", program: { config: light, modules }, warnings };
}

/** The loaded configuration, or why its file cannot be read. */
function readConfiguration(options: ServeOptions): LoadResult | string {
  const { configPath, configYaml } = options;
  const check = (bytes: Uint8Array) => checkModule(bytes, servedImport);
  if (configPath === "") {
    return loadConfig({ text: configYaml, origin: "--config-yaml", checkModule: check });
  }
  try {
    const { size } = statSync(configPath);
    if (size > LIMITS.configBytes) {
      return `${configPath}: ${size} bytes; the limit is ${LIMITS.configBytes}\n`;
    }
    const text = readFileSync(configPath, "utf8");
    const overlay = configYaml === "" ? {} : { overlay: configYaml };
    return loadConfig({ text, origin: configPath, ...overlay, checkModule: check });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return `unable to read file: ${configPath}: ${reason}\n`;
  }
}

async function compileModules(
  config: GranaryConfig,
  problems: string[],
): Promise<readonly CompiledModule[]> {
  const compiled: CompiledModule[] = [];
  for (const { sha256, origin, bytes } of config.modules) {
    try {
      compiled.push({ sha256, module: await WebAssembly.compile(bytes) });
    } catch (error) {
      problems.push(`${origin}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return compiled;
}

async function runCanary(program: Program, pool: CpuPool): Promise<readonly string[]> {
  try {
    return await pool.run("canary", program);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return [`the plugins could not be started: ${reason}`];
  }
}
