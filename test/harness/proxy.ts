/**
 * A real Granary process for behaviour tests: configuration text in, ports out.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { get, request } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** `dist/` of the build that the tests themselves are part of. */
export const BUILD_ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

const ADMIN = "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}\n";

/** Transport of every proxy that does not choose one itself; "" leaves it to Granary. */
export const TEST_TRANSPORT = process.env["GRANARY_TEST_TRANSPORT"] ?? "";

export interface ProxyOptions {
  readonly yaml: string;
  readonly concurrency?: number;
  readonly args?: readonly string[];
  /** Beside this process's own. */
  readonly env?: NodeJS.ProcessEnv;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** One GET or POST by node:http, on a connection of its own. */
export function fetchText(port: number, path: string, method = "GET"): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port, path, method, agent: false };
    const outgoing = request(options, (response) => {
      let body = "";
      response.setEncoding("latin1");
      response.on("data", (part: string) => {
        body += part;
      });
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
      response.on("error", reject);
    });
    outgoing.on("error", reject);
    outgoing.end();
  });
}

export class ProxyProcess {
  readonly process: ChildProcess;
  readonly directory: string;
  #log = "";
  #output = "";
  #ports = new Map<string, number>();
  adminPort = 0;

  constructor(process: ChildProcess, directory: string) {
    this.process = process;
    this.directory = directory;
    process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#log += text;
    });
    process.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#output += text;
    });
  }

  /** Everything the proxy wrote to stderr so far. */
  get log(): string {
    return this.#log;
  }

  get output(): string {
    return this.#output;
  }

  /** The port the listener called `name` really has. */
  port(name: string): number {
    const port = this.#ports.get(name);
    if (port === undefined) throw new Error(`no listener ${name}; log:\n${this.#log}`);
    return port;
  }

  admin(path: string, method = "GET"): Promise<HttpAnswer> {
    return fetchText(this.adminPort, path, method);
  }

  /** The value of one stat, or null when it is not there. */
  async stat(name: string): Promise<number | null> {
    const { body } = await this.admin("/stats");
    for (const line of body.split("\n")) {
      if (line.startsWith(`${name}: `)) return Number(line.slice(name.length + 2));
    }
    return null;
  }

  /** Writes another configuration under the same name; nothing reads it yet. */
  configure(yaml: string): void {
    writeFileSync(join(this.directory, "envoy.yaml"), ADMIN + yaml);
  }

  /** Writes another configuration and has it read by POST /reload. */
  async reload(yaml: string): Promise<HttpAnswer> {
    this.configure(yaml);
    const answer = await this.admin("/reload", "POST");
    await this.readListeners();
    return answer;
  }

  async readListeners(): Promise<void> {
    const { body } = await this.admin("/listeners");
    this.#ports.clear();
    for (const line of body.trim().split("\n")) {
      // An IPv6 address has colons of its own.
      const [, name, port] = /^(.*?)::.*:(\d+)$/.exec(line) ?? [];
      if (name !== undefined) this.#ports.set(name, Number(port));
    }
  }

  /** SIGTERM; resolves with the exit code. */
  stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    return new Promise((resolve) => {
      const done = (): void => {
        rmSync(this.directory, { recursive: true, force: true });
        resolve(this.process.exitCode);
      };
      if (this.process.exitCode !== null) return done();
      this.process.once("exit", done);
      this.process.kill(signal);
      return undefined;
    });
  }
}

/** Runs the command line to its end; for configurations that must be refused and the like. */
export function runGranary(
  args: readonly string[],
): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [
      join(BUILD_ROOT, "test/harness/granary-cli.js"),
      ...args,
    ]);
    let out = "";
    let err = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      err += text;
    });
    child.once("close", (code) => resolve({ code, out, err }));
  });
}

/** Starts a proxy and waits until it serves. The configuration gets an admin on a free port. */
export async function startProxy(options: ProxyOptions): Promise<ProxyProcess> {
  const directory = mkdtempSync(join(tmpdir(), "granary-test-"));
  const config = join(directory, "envoy.yaml");
  const adminFile = join(directory, "admin");
  writeFileSync(config, ADMIN + options.yaml);
  const args = ["-c", config, "--admin-address-path", adminFile];
  args.push("--concurrency", String(options.concurrency ?? 1), ...(options.args ?? []));
  if (TEST_TRANSPORT !== "" && !args.includes("--transport")) {
    args.push("--transport", TEST_TRANSPORT);
  }
  const child = spawn(
    process.execPath,
    [join(BUILD_ROOT, "test/harness/granary-cli.js"), ...args],
    {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...options.env },
    },
  );
  const proxy = new ProxyProcess(child, directory);
  const { readFileSync, existsSync } = await import("node:fs");
  while (child.exitCode === null) {
    if (existsSync(adminFile)) {
      const address = readFileSync(adminFile, "utf8").trim();
      proxy.adminPort = Number(address.slice(address.lastIndexOf(":") + 1));
      if (proxy.adminPort > 0 && (await isReady(proxy.adminPort))) {
        await proxy.readListeners();
        return proxy;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`granary exited with ${child.exitCode}:\n${proxy.log}`);
}

function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    get({ host: "127.0.0.1", port, path: "/ready", agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    }).on("error", () => resolve(false));
  });
}
