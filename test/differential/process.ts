/** The proxy under test as a process, Granary or Envoy: started on a group's configuration. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BUILD_ROOT, fetchText, ProxyProcess } from "../harness/proxy.ts";
import type { Changes } from "./endpoint.ts";
import type { GuestLogs } from "./guest-logs.ts";

export const TARGETS = ["granary", "envoy"] as const;
export type Target = (typeof TARGETS)[number];

const LOG_FORMAT = "%t|%l|%v";

function commandOf(target: Target): readonly [string, readonly string[]] {
  if (target === "granary") {
    return [process.execPath, [join(BUILD_ROOT, "test/harness/granary-cli.js")]];
  }
  return [process.env["ENVOY"] ?? "envoy", ["--use-dynamic-base-id"]];
}

/** Directory for the modules and the configuration of one run. */
export const workDirectory = (): string => mkdtempSync(join(tmpdir(), "differential-"));

export class RunningProxy {
  readonly #process: ProxyProcess;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, directory: string) {
    this.#child = child;
    this.#process = new ProxyProcess(child, directory);
  }

  /** Starts and waits until every listener is there; throws with the log when it ends instead. */
  static async start(
    target: Target,
    yaml: string,
    { directory, logs, changes }: { directory: string; logs: GuestLogs; changes: Changes },
  ): Promise<RunningProxy> {
    const config = join(directory, "envoy.yaml");
    const adminFile = join(directory, "admin");
    const admin = "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}\n";
    writeFileSync(config, admin + yaml);
    const [command, first] = commandOf(target);
    const args = [...first, "-c", config, "--admin-address-path", adminFile];
    args.push("--concurrency", "1", "--log-format", LOG_FORMAT);
    args.push("--component-log-level", "wasm:trace");
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    const failed = new Promise<never>((_, reject) => child.once("error", reject));
    const running = new RunningProxy(child, directory);
    child.stderr?.on("data", (text: string) => {
      logs.push(text);
      changes.wake();
    });
    child.once("exit", changes.wake);
    await Promise.race([failed, running.#untilReady(adminFile, changes)]);
    return running;
  }

  async #untilReady(adminFile: string, changes: Changes): Promise<void> {
    while (this.#child.exitCode === null) {
      if (existsSync(adminFile)) {
        const address = readFileSync(adminFile, "utf8").trim();
        const port = Number(address.slice(address.lastIndexOf(":") + 1));
        const ready = port > 0 ? await fetchText(port, "/ready").catch(() => null) : null;
        if (ready?.status === 200) {
          this.#process.adminPort = port;
          await this.#process.readListeners();
          return;
        }
      }
      await changes.until(() => this.#child.exitCode !== null, 10);
    }
    throw new Error(`the proxy exited with ${this.#child.exitCode}:\n${this.#process.log}`);
  }

  port(name: string): number {
    return this.#process.port(name);
  }

  /** It ended by itself. */
  get hasCrashed(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Everything the proxy wrote to stderr. */
  get log(): string {
    return this.#process.log;
  }

  async stop(): Promise<void> {
    if (!this.hasCrashed) await this.#process.stop();
  }
}
