/** Code of the null engine in the configuration. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { formatProblems } from "../../../src/config/load.ts";
import { bootstrapText, DIRECTORY, load, WASM } from "./bootstrap-text.ts";
import { good } from "./good-config.ts";

function write(name: string, text: string): string {
  const path = join(DIRECTORY, name);
  writeFileSync(path, text);
  return path;
}

function filter(code: string, more = ""): string {
  const vm = `vm_config: {vm_id: v, runtime: envoy.wasm.runtime.null, code: ${code}}`;
  return `- {name: w, typed_config: {"@type": ${WASM}, config: {name: p, ${vm}${more}}}}`;
}

const problem = (filters: string, top = ""): string =>
  formatProblems(load(bootstrapText({ filters, top })).problems);

test("a TypeScript filter becomes one script with what it imports", () => {
  const part = write("part.ts", 'export const name: string = "x-part";');
  const whole = write(
    "whole.ts",
    'import { name } from "./part.ts"; export const onLog = () => name;',
  );
  const text = bootstrapText({ filters: filter("{local: {filename: whole.ts}}") });
  const result = load(text);
  const [module] = result.config?.modules ?? [];
  assert.equal(module?.scriptName, pathToFileURL(`${whole}.granary.cjs`).href);
  assert.match(Buffer.from(module?.bytes ?? []).toString(), /x-part/);
  assert.ok(result.files.includes(part) && result.files.includes(whole), String(result.files));
});

test("a change of an imported file makes other code, and another VM", () => {
  const keys = ["one", "two"].map((value) => {
    write("value.ts", `export const value = "${value}";`);
    write("uses.ts", 'import { value } from "./value.ts"; export const onLog = () => value;');
    const config = good({ filters: filter("{local: {filename: uses.ts}}") });
    const http = config.listeners[0]?.filterChains[0];
    assert.ok(http?.kind === "http");
    const [wasm] = http.http.httpFilters;
    assert.ok(wasm?.kind === "wasm");
    return [wasm.plugin.vm.codeKey, wasm.plugin.vm.vmKey];
  });
  assert.notEqual(keys[0]?.[0], keys[1]?.[0]);
  assert.notEqual(keys[0]?.[1], keys[1]?.[1]);
});

test("a syntax error is told with file, line, column and the line itself", () => {
  write("broken.ts", "export const a = 1;\nexport const b = (;\n");
  const text = problem(filter("{local: {filename: broken.ts}}"));
  assert.match(text, /vm_config\.code\.local\.filename: .*broken\.ts:2:19: Unexpected ";", at: /);
  assert.match(text, /at: export const b = \(;/);
});

test("a file that is not there, and one that is no script, are told", () => {
  assert.match(problem(filter("{local: {filename: none.ts}}")), /none\.ts: Could not resolve/);
  assert.match(problem(filter("{local: {filename: ok.wasm}}")), /ok\.wasm: No loader/);
});

test("only files of this machine are taken", () => {
  for (const code of ["{local: {inline_string: text}}", "{local: {inline_bytes: AAEC}}"]) {
    assert.match(problem(filter(code)), /takes code from a file on this machine alone/);
  }
  const remote = "{remote: {http_uri: {uri: http://a/x, cluster: a, timeout: 1s}, sha256: x}}";
  assert.match(problem(filter(remote)), /takes code from a file on this machine alone/);
});

test("a filter of TCP chains can be a script", () => {
  write("tcp.ts", "export const onLog = () => undefined;");
  const E = "type.googleapis.com/envoy.extensions.filters.network.";
  const vm = "{runtime: envoy.wasm.runtime.null, code: {local: {filename: tcp.ts}}}";
  const wasm = `{name: w, typed_config: {"@type": ${E}wasm.v3.Wasm, config: {name: p, vm_config: ${vm}}}}`;
  const tcp = `{name: t, typed_config: {"@type": ${E}tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: a}}`;
  const text = `static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains: [{filters: [${wasm}, ${tcp}]}]
  clusters: [{name: a, type: STATIC, load_assignment: {cluster_name: a}}]
`;
  assert.deepEqual(load(text).problems, []);
});
