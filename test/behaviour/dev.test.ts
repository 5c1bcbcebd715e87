/** `granary dev`: a filter, a save, the next request. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { bootstrap, listener } from "../harness/config.ts";
import { FakeUpstream, plainResponse } from "../harness/fake-upstream.ts";
import { BUILD_ROOT, fetchText, runGranary } from "../harness/proxy.ts";

const limits = { timeout: 20_000 };
const folder = mkdtempSync(join(tmpdir(), "granary-dev-"));
const running: ChildProcess[] = [];

after(async () => {
  for (const child of running) if (child.exitCode === null) child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function filter(mark: string): string {
  return `import type { HttpContext } from "granary";
export async function onResponseHeaders(ctx: HttpContext): Promise<void> {
  await ctx.sleep(0);
  ctx.response.headers.set("x-mark", ${mark});
}
`;
}

async function dev(args: readonly string[]) {
  const cli = join(BUILD_ROOT, "test/harness/granary-cli.js");
  const child = spawn(process.execPath, [cli, "dev", ...args, "--port", "0"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.push(child);
  const said = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said.out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said.err += text;
  });
  const until = async (is: () => boolean): Promise<void> => {
    while (!is() && child.exitCode === null) await wait(5);
    assert.ok(is(), said.err);
  };
  await until(() => said.out.includes("taken at once"));
  const port = Number(/127\.0\.0\.1:(\d+) runs/.exec(said.out)?.[1]);
  const stop = (): Promise<number | null> =>
    new Promise((resolve) => {
      child.once("exit", (code) => resolve(code));
      child.kill("SIGTERM");
    });
  return { port, said, until, stop };
}

test(
  "a filter alone is tried, a save is taken, a syntax error changes nothing",
  limits,
  async () => {
    const path = write("alone.ts", filter('"one"'));
    const { port, said, until, stop } = await dev([path]);
    const first = await fetchText(port, "/");
    assert.deepEqual([first.status, first.headers["x-mark"]], [200, "one"]);
    assert.match(first.body, /let the request pass/);
    write("alone.ts", filter('"two"'));
    await until(() => said.err.includes("configuration 2 is in use"));
    assert.equal((await fetchText(port, "/")).headers["x-mark"], "two");
    write("alone.ts", filter('"three" +'));
    await until(() => /alone\.ts:4:\d+: Unexpected/.test(said.err));
    assert.equal((await fetchText(port, "/")).headers["x-mark"], "two");
    assert.equal(await stop(), 0);
  },
);

test("requests go to the upstream that is named", limits, async () => {
  const path = write("upstream.ts", filter('"here"'));
  const hosts: string[] = [];
  const upstream = await FakeUpstream.listen({
    onRequest: ({ headers }, connection) => {
      hosts.push(headers.find(([name]) => name === "host")?.[1] ?? "");
      connection.write(plainResponse(200, "from behind"));
    },
  });
  const url = `http://127.0.0.1:${upstream.port}`;
  const { port, stop } = await dev([path, "--upstream", url]);
  const answer = await fetchText(port, "/");
  assert.deepEqual([answer.body, answer.headers["x-mark"]], ["from behind", "here"]);
  assert.deepEqual(hosts, [`127.0.0.1:${upstream.port}`]);
  await stop();
  await upstream.close();
});

test(
  "a configuration must use the filter; a filter that does not load is told",
  limits,
  async () => {
    const path = write("unused.ts", filter('"x"'));
    const yaml = bootstrap([listener({ routes: "[{match: {prefix: /}, redirect: {}}]" })], []);
    const config = write("other.yaml", yaml.replace("  clusters:\n", ""));
    const unused = await runGranary(["dev", path, "-c", config]);
    assert.equal(unused.code, 1);
    assert.match(unused.err, /other\.yaml does not use .*unused\.ts/);
    const broken = write("broken.ts", "export const = 1;\n");
    const { code, err } = await runGranary(["dev", broken, "--port", "0"]);
    assert.equal(code, 1);
    assert.match(err, /broken\.ts:1:14: Expected identifier/);
  },
);
