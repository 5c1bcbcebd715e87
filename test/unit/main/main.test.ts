/**
 * The command as its users run it: a process of its own, its exit code and what it prints.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const ENTRY = fileURLToPath(new URL("./fixtures/run-main.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "granary-main-"));

/** A bootstrap without upstreams: `/` is answered by the route itself. */
function bootstrap(port: number): string {
  const manager = {
    "@type":
      "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    stat_prefix: "main",
    route_config: {
      virtual_hosts: [
        {
          name: "all",
          domains: ["*"],
          routes: [
            {
              match: { prefix: "/" },
              direct_response: { status: 200, body: { inline_string: "hi" } },
            },
          ],
        },
      ],
    },
    http_filters: [
      {
        name: "envoy.filters.http.router",
        typed_config: {
          "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        },
      },
    ],
  };
  const address = (value: number) => ({
    socket_address: { address: "127.0.0.1", port_value: value },
  });
  const filters = [
    { name: "envoy.filters.network.http_connection_manager", typed_config: manager },
  ];
  return JSON.stringify({
    admin: { address: address(0) },
    static_resources: {
      listeners: [{ name: "door", address: address(port), filter_chains: [{ filters }] }],
    },
  });
}

function run(...argv: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [ENTRY, ...argv], { encoding: "utf8" });
}

/** Resolves with what stderr held when `pattern` first matched. */
async function lineOf(child: ChildProcess, pattern: RegExp): Promise<RegExpMatchArray> {
  let text = "";
  for await (const chunk of child.stderr ?? []) {
    text += String(chunk);
    const match = text.match(pattern);
    if (match !== null) {
      child.stderr?.resume();
      return match;
    }
  }
  return assert.fail(`no ${pattern} in:\n${text}`);
}

describe("granary", () => {
  const children: ChildProcess[] = [];
  const start = (...argv: string[]) => {
    const child = spawn(process.execPath, [ENTRY, ...argv], { stdio: ["ignore", "pipe", "pipe"] });
    children.push(child);
    return child;
  };
  after(() => {
    for (const child of children) child.kill("SIGKILL");
    rmSync(folder, { recursive: true });
  });

  it("prints help and version on stdout and ends with 0", () => {
    assert.match(run("--help").stdout, /--config-path FILE/);
    const { status, stdout } = run("--version");
    assert.equal(status, 0);
    assert.match(stdout, /^granary \d+\.\d+\.\d+ \(node v/);
  });

  it("tells a wrong command line on stderr and ends with 1", () => {
    const { status, stdout, stderr } = run("--concurrency", "none");
    assert.equal(status, 1);
    assert.equal(stdout, "");
    assert.match(stderr, /^PARSE ERROR: Argument --concurrency/);
  });

  it("validates a good configuration without starting it", () => {
    const { status, stdout } = run("--mode", "validate", "--config-yaml", bootstrap(0));
    assert.equal(status, 0);
    assert.equal(stdout, "configuration '--config-yaml' OK\n");
  });

  it("tells every problem of a configuration with its place and ends with 1", () => {
    const { status, stderr } = run("--mode=validate", "--config-yaml", "admin: {x: 1}\nnodes: {}");
    assert.equal(status, 1);
    assert.match(stderr, /--config-yaml:1:\d+: .*admin/);
    assert.match(stderr, /--config-yaml:2:\d+: .*nodes/);
  });

  it("names a configuration file that cannot be read", () => {
    const { status, stderr } = run("-c", join(folder, "absent.yaml"));
    assert.equal(status, 1);
    assert.match(stderr, /unable to read file: .*absent\.yaml/);
  });

  it("serves, writes its admin address, drains on SIGTERM and ends with 0", async () => {
    const addressFile = join(folder, "admin");
    const child = start("--config-yaml", bootstrap(0), "--admin-address-path", addressFile);
    await lineOf(child, /starting main dispatch loop/);
    const admin = readFileSync(addressFile, "utf8");
    const ready = await fetch(`http://${admin}/ready`);
    assert.equal(await ready.text(), "LIVE\n");
    const listeners = await (await fetch(`http://${admin}/listeners`)).text();
    const [, address] = listeners.match(/^door::(127\.0\.0\.1:\d+)/) ?? assert.fail(listeners);
    const answer = await fetch(`http://${address}/`);
    assert.equal(await answer.text(), "hi");
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    assert.deepEqual(await ended, [0, null]);
    await assert.rejects(fetch(`http://${address}/`));
  });

  it("ends with 0 after /quitquitquit", async () => {
    const child = start("--config-yaml", bootstrap(0), "--concurrency", "1");
    const [, admin] = await lineOf(child, /admin address: (\S+)[\s\S]*dispatch loop/);
    const ended = once(child, "exit");
    const answer = await fetch(`http://${admin}/quitquitquit`, { method: "POST" });
    assert.equal(await answer.text(), "OK\n");
    assert.deepEqual(await ended, [0, null]);
  });

  it("starts nothing when a port is in use", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    const child = start("--config-yaml", bootstrap(port));
    const [, reason] = await lineOf(child, /(listener 'door': cannot bind .*)\n/);
    assert.equal(
      reason,
      `listener 'door': cannot bind '127.0.0.1:${port}': Address already in use`,
    );
    if (child.exitCode === null) await once(child, "exit");
    assert.equal(child.exitCode, 1);
    taken.close();
  });

  it("serves without the native addon as well", async () => {
    const env = { ...process.env, GRANARY_NATIVE: "off" };
    const argv = [ENTRY, "--config-yaml", bootstrap(0), "--concurrency", "1"];
    const child = spawn(process.execPath, argv, { env, stdio: ["ignore", "pipe", "pipe"] });
    children.push(child);
    const [, admin] = await lineOf(child, /admin address: (\S+)[\s\S]*dispatch loop/);
    const listeners = await (await fetch(`http://${admin}/listeners`)).text();
    const [, address] = listeners.match(/^door::(127\.0\.0\.1:\d+)/) ?? assert.fail(listeners);
    assert.equal(await (await fetch(`http://${address}/`)).text(), "hi");
    const ended = once(child, "exit");
    child.kill("SIGINT");
    assert.deepEqual(await ended, [0, null]);
  });
});
