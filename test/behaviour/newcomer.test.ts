/**
 * What a newcomer does first: `npm start` in a fresh checkout, with Node and npm alone on PATH. The
 * packages are those of this checkout, because tests do not download.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { BUILD_ROOT, fetchText } from "../harness/proxy.ts";

const ROOT = packageRoot();
const QUICKSTART = "examples/quickstart/envoy.yaml";
/** Only a checkout has a list of its files. */
const NO_CHECKOUT = existsSync(join(ROOT, ".git")) ? false : "needs a git checkout";

let directory: string;
let checkout: string;

function packageRoot(): string {
  let root = BUILD_ROOT;
  while (!existsSync(join(root, "package.json"))) root = join(root, "..");
  return root;
}

function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

function copyCheckout(): void {
  const listed = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  const files = execFileSync("git", listed, { cwd: ROOT, encoding: "utf8" }).split("\0");
  for (const file of files) {
    const source = join(ROOT, file);
    if (file === "" || !existsSync(source)) continue;
    mkdirSync(dirname(join(checkout, file)), { recursive: true });
    cpSync(source, join(checkout, file));
  }
  symlinkSync(join(ROOT, "node_modules"), join(checkout, "node_modules"));
  // Newer than the lock file: nothing is to be downloaded.
  const stamp = join(ROOT, "build/setup.json");
  const packages = existsSync(stamp) ? JSON.parse(readFileSync(stamp, "utf8")).packages : "";
  mkdirSync(join(checkout, "build"));
  writeFileSync(join(checkout, "build/setup.json"), JSON.stringify({ packages }));
}

/** The ports of the quickstart may be taken on the machine that runs the tests. */
async function freePorts(): Promise<void> {
  const path = join(checkout, QUICKSTART);
  let yaml = readFileSync(path, "utf8");
  for (const port of ["9901", "10000", "10001"]) {
    yaml = yaml.replaceAll(`port_value: ${port}`, `port_value: ${await freePort()}`);
  }
  writeFileSync(path, yaml);
}

before(async () => {
  if (NO_CHECKOUT !== false) return;
  directory = await mkdtemp(join(tmpdir(), "granary-new-"));
  checkout = join(directory, "granary");
  mkdirSync(join(directory, "bin"));
  symlinkSync(process.execPath, join(directory, "bin/node"));
  copyCheckout();
  await freePorts();
});

after(async () => {
  if (NO_CHECKOUT === false) await rm(directory, { recursive: true });
});

interface Started {
  readonly process: ChildProcess;
  readonly output: string;
  readonly log: string;
}

/** A script of package.json with nothing but Node on PATH. */
function run(script: string, ...args: string[]) {
  return spawn(process.execPath, [script, ...args], {
    cwd: checkout,
    env: { PATH: join(directory, "bin"), HOME: directory },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** What `npm start` runs; resolves when the curl lines are there. */
function start(): Promise<Started> {
  const child = run("scripts/start.mjs");
  let output = "";
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    log += text;
  });
  return new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`exit code ${code}\n${log}`)));
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (output.match(/curl /g)?.length === 3) resolve({ process: child, output, log });
    });
  });
}

function end(started: Started, signal: NodeJS.Signals): Promise<number | null> {
  return new Promise((resolve) => {
    started.process.once("exit", resolve);
    started.process.kill(signal);
  });
}

function portOf(output: string, label: RegExp): number {
  return Number(label.exec(output)?.[1] ?? "0");
}

test("npm start builds what is missing, serves through the filters and ends with 0", {
  skip: NO_CHECKOUT,
}, async () => {
  const started = await start();
  assert.match(started.log, /granary setup: compiling/);
  const answer = await fetchText(portOf(started.output, /listener \w+: http:\S+:(\d+)/), "/");
  assert.equal(answer.status, 200);
  const admin = portOf(started.output, /admin interface: http:\S+:(\d+)/);
  assert.equal((await fetchText(admin, "/ready")).status, 200);
  assert.equal(await end(started, "SIGINT"), 0);
});

test("a second npm start sets nothing up", { skip: NO_CHECKOUT }, async () => {
  const started = await start();
  assert.doesNotMatch(started.log, /granary setup/);
  assert.equal(await end(started, "SIGTERM"), 0);
});

test("npm test runs there, too, without a compiler", { skip: NO_CHECKOUT }, async () => {
  const child = run("scripts/test.mjs", "test/unit/base");
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const code = await new Promise((resolve) => child.once("close", resolve));
  assert.equal(code, 0, output);
  assert.match(output, /native addon .*is not built[\s\S]*\bfail 0\b/);
});
