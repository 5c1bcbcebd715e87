/**
 * Composition root of the process: from the command line to a running server and its end. Nothing
 * starts half: whatever fails before every silo is ready ends the process with exit code 1.
 */
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { systemClock } from "../base/clock.ts";
import { Logger } from "../base/log.ts";
import { parseCommandLine, type ServeOptions } from "./cli.ts";
import { helpText } from "./cli-options.ts";
import { loadProgram, type Program } from "./configuration.ts";
import { CpuPool } from "./cpu-pool.ts";
import { setEngineFlags } from "./engine-flags.ts";
import { inspectModule } from "./inspect.ts";
import { addressText } from "./listen.ts";
import { applyLogOptions } from "./log-levels.ts";
import { type ServingReport, serve } from "./serve.ts";
import { versionText } from "./version.ts";

export type { ServingReport } from "./serve.ts";

const log = new Logger("main");

export interface MainHooks {
  /** Every listener serves. */
  onServing?(report: ServingReport): void;
}

/**
 * Runs one command to its end.
 * @param argv arguments after the script's name.
 * @returns the exit code. All threads have ended then.
 */
export async function main(argv: readonly string[], hooks: MainHooks = {}): Promise<number> {
  const command = parseCommandLine(argv, availableParallelism());
  switch (command.kind) {
    case "help":
      process.stdout.write(helpText());
      return 0;
    case "version":
      process.stdout.write(`${versionText()}\n`);
      return 0;
    case "inspect": {
      const { text, exitCode } = inspectModule(command.path);
      process.stdout.write(text);
      return exitCode;
    }
    case "error":
      process.stderr.write(
        `PARSE ERROR: ${command.message}\n\nFor complete USAGE and HELP type: granary --help\n`,
      );
      return 1;
    case "run":
      return run(command.options, hooks);
    case "dev":
      return dev(command.options, command.path, hooks);
  }
}

/** Tells where the filter can be tried. */
function dev(options: ServeOptions, path: string, hooks: MainHooks): Promise<number> {
  const onServing = (report: ServingReport): void => {
    for (const { address } of report.listeners) {
      const where = addressText(address.host, address.port);
      process.stdout.write(`http://${where} runs ${path}; a saved change is taken at once\n`);
    }
    hooks.onServing?.(report);
  };
  return run(options, { onServing }, path);
}

/** @param filter what the configuration must use; "" = anything */
async function run(options: ServeOptions, hooks: MainHooks, filter = ""): Promise<number> {
  setEngineFlags();
  applyLogOptions(options);
  log.info(`initializing ${versionText()}, concurrency ${options.concurrency}`);
  const program = await prepare(options);
  if (program === null) return 1;
  if (filter !== "" && !program.files.includes(resolve(filter))) {
    log.error(`${originOf(options)} does not use ${filter}`);
    return 1;
  }
  if (options.mode === "validate") {
    process.stdout.write(`configuration '${originOf(options)}' OK\n`);
    return 0;
  }
  const failure = await serve(options, program, hooks.onServing ?? (() => undefined));
  if (failure === null) return 0;
  log.error(failure);
  return 1;
}

/** What the operator wrote the configuration in. */
function originOf(options: ServeOptions): string {
  return options.configPath === "" ? "--config-yaml" : options.configPath;
}

/** What can run, or null after every problem was printed. */
async function prepare(options: ServeOptions): Promise<Program | null> {
  const pool = new CpuPool(systemClock);
  try {
    const result = await loadProgram(options, pool);
    for (const line of result.warnings.split("\n").filter(Boolean)) log.warn(line);
    if (result.kind === "program") return result.program;
    process.stderr.write(
      `error initializing configuration '${originOf(options)}':\n${result.text}`,
    );
    return null;
  } finally {
    await pool.close();
  }
}
