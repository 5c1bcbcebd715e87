/**
 * Configurations that must be refused: exit code 1, every problem at once, nothing started.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { bootstrap, cluster, listener, wasmFilter } from "../harness/config.ts";
import { guestText } from "../harness/guest-source.ts";
import { runGranary } from "../harness/proxy.ts";
import { compileWat } from "../harness/wat.ts";

let directory: string;

before(() => {
  directory = mkdtempSync(join(tmpdir(), "granary-bad-"));
  writeFileSync(join(directory, "text.wasm"), "this is no module");
  writeFileSync(join(directory, "good.wasm"), compileWat(guestText({})));
  writeFileSync(join(directory, "unmarked.wasm"), compileWat(guestText({ abi: "" })));
  const imports = '(import "env" "proxy_fly_to_the_moon" (func (param i32) (result i32)))';
  writeFileSync(join(directory, "unknown.wasm"), compileWat(guestText({ imports })));
});

after(() => rmSync(directory, { recursive: true }));

function filter(name: string, file: string): string {
  return wasmFilter({ name, code: `{filename: ${JSON.stringify(join(directory, file))}}` });
}

/** Validates and serves `yaml`; both must refuse it in the same words. */
async function refused(yaml: string): Promise<string> {
  const path = join(directory, "envoy.yaml");
  writeFileSync(path, yaml);
  const validated = await runGranary(["-c", path, "--mode", "validate"]);
  const served = await runGranary(["-c", path, "--concurrency", "1"]);
  assert.equal(validated.code, 1, validated.err);
  assert.equal(served.code, 1, served.err);
  const problems = (text: string): string[] =>
    text.split("\n").filter((line) => line.includes("envoy.yaml:"));
  assert.ok(problems(served.err).length > 0, served.err);
  assert.deepEqual(problems(validated.err), problems(served.err));
  return validated.err;
}

test("a good configuration validates with exit code 0 and starts nothing", async () => {
  const yaml = bootstrap(
    [listener({ filters: [filter("ok", "good.wasm")] })],
    [cluster("upstream", 1)],
  );
  const path = join(directory, "good.yaml");
  writeFileSync(path, yaml);
  const result = await runGranary(["-c", path, "--mode", "validate"]);
  assert.equal(result.code, 0, result.err);
});

test("every problem is told at once with its line", async () => {
  const routes = "[{match: {prefix: /}, route: {cluster: missing}}]";
  const text = await refused(
    bootstrap(
      [listener({ routes, hcm: "no_such_field: 1, stream_idle_timeout: soon" })],
      [cluster("upstream", 1, "lb_policy: MAGLEV")],
    ),
  );
  for (const word of ["no_such_field", "stream_idle_timeout", "lb_policy"]) {
    assert.match(text, new RegExp(`envoy\\.yaml:\\d+.*${word}`), text);
  }
});

test("a route to a cluster that is not there is refused with the cluster's name", async () => {
  const routes = "[{match: {prefix: /}, route: {cluster: missing}}]";
  const text = await refused(bootstrap([listener({ routes })], [cluster("upstream", 1)]));
  assert.match(text, /envoy\.yaml:\d+.*missing/);
});

test("files that are missing, no Wasm, unmarked or with unknown imports are refused together", async () => {
  const filters = [
    filter("a", "missing.wasm"),
    filter("b", "text.wasm"),
    filter("c", "unmarked.wasm"),
    filter("d", "unknown.wasm"),
  ];
  const text = await refused(bootstrap([listener({ filters })], [cluster("upstream", 1)]));
  assert.match(text, /missing\.wasm/);
  assert.match(text, /http_filters\[1\].*(not|no) .*(Wasm|WebAssembly)/i);
  assert.match(text, /http_filters\[2\].*(proxy_abi_version|ABI)/);
  assert.match(text, /http_filters\[3\].*proxy_fly_to_the_moon/);
});

test("text that is no YAML and a file that is not there are refused", async () => {
  const path = join(directory, "broken.yaml");
  writeFileSync(path, "static_resources: {listeners: [");
  const broken = await runGranary(["-c", path]);
  assert.equal(broken.code, 1);
  assert.match(broken.err, /broken\.yaml:\d+/);
  const missing = await runGranary(["-c", join(directory, "none.yaml")]);
  assert.equal(missing.code, 1);
  assert.match(missing.err, /none\.yaml/);
});
