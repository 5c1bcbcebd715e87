/** Each implemented field of the Wasm filter, and the identities. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import { bootstrapText, EMPTY_MODULE, load, wasmFilter } from "./bootstrap-text.ts";
import { good, wasm } from "./good-config.ts";

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

const sha256 = (...parts: (string | Uint8Array)[]): string => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
};

describe("Wasm filters", () => {
  test("a plugin that says nothing fails closed, may do everything, and has empty configuration", () => {
    const { name, plugin } = wasm({ filters: wasmFilter() });
    assert.deepEqual(
      [name, plugin.name, plugin.rootId, plugin.failurePolicy, plugin.allowedCapabilities],
      ["w", "p", "", "closed", null],
    );
    assert.deepEqual([plugin.configuration.length, plugin.vm.configuration.length], [0, 0]);
    assert.equal(plugin.reloadBaseIntervalMs, 1_000);
  });

  test("every field of a plugin is read", () => {
    const { plugin } = wasm({
      filters: wasmFilter(
        "root_id: r\nfailure_policy: FAIL_RELOAD\nreload_config: {backoff: {base_interval: 3s}}\nallow_on_headers_stop_iteration: true\n" +
          "capability_restriction_config: {allowed_capabilities: {proxy_log: {}, fd_write: {}}}",
        "vm_id: v\nruntime: envoy.wasm.runtime.wasmtime\nenvironment_variables: {host_env_keys: [GRANARY_NOT_SET], key_values: {K: x}}",
      ),
    });
    assert.deepEqual(
      [plugin.rootId, plugin.failurePolicy, plugin.reloadBaseIntervalMs],
      ["r", "reload", 3_000],
    );
    assert.equal(plugin.allowOnHeadersStopIteration, true);
    assert.deepEqual(plugin.allowedCapabilities, ["proxy_log", "fd_write"]);
    assert.deepEqual(plugin.vm.environment, [["K", "x"]]);
    assert.equal(wasm({ filters: wasmFilter("fail_open: true") }).plugin.failurePolicy, "open");
  });

  const G = "type.googleapis.com/google.protobuf.";
  for (const [kind, any, expected] of [
    ["a string as its bytes", `{"@type": ${G}StringValue, value: "é"}`, bytes("é")],
    ["bytes as they are", `{"@type": ${G}BytesValue, value: AAEC}`, Uint8Array.of(0, 1, 2)],
    ["a Struct as JSON", `{"@type": ${G}Struct, value: {a: [1, x]}}`, bytes('{"a":[1,"x"]}')],
    ["another type encoded", `{"@type": ${G}Duration, value: 1s}`, Uint8Array.of(8, 1)],
    ["an empty Any as nothing", "{}", new Uint8Array(0)],
  ] as const) {
    test(`the configuration passes ${kind}`, () => {
      const { plugin } = wasm({ filters: wasmFilter(`configuration: ${any}`) });
      assert.deepEqual(plugin.configuration, expected);
    });
  }

  test("the VM key is the hash of vm_id, VM configuration and code", () => {
    const vm = `vm_id: v\nconfiguration: {"@type": ${G}StringValue, value: c}`;
    const { plugin } = wasm({ filters: wasmFilter("", vm) });
    assert.equal(plugin.vm.vmKey, sha256("v", "||", "c", "||", EMPTY_MODULE));
    assert.equal(plugin.vm.codeSha256, sha256(EMPTY_MODULE));
  });

  test("plugins that differ only in the VM share a plugin key, others do not", () => {
    const key = (plugin: string, vm: string): string =>
      wasm({ filters: wasmFilter(plugin, vm) }).plugin.pluginKey;
    assert.equal(key("root_id: r", "vm_id: a"), key("root_id: r", "vm_id: b"));
    assert.notEqual(key("root_id: r", ""), key("root_id: s", ""));
    assert.notEqual(key("", ""), key("fail_open: true", ""));
  });

  test("coroutines are asked for by the VM configuration or by the code, in this order", () => {
    const vm = (file: string, any: string) =>
      wasm({ filters: wasmFilter("", any).replace("ok.wasm", file) }).plugin.vm;
    const text = (json: string): string =>
      `configuration: {"@type": ${G}StringValue, value: '${json}'}`;
    const rows = [
      ["ok.wasm", ""],
      ["ok.wasm", text('{"granary.coroutines": true, "mine": 1}')],
      ["ok.wasm", `configuration: {"@type": ${G}Struct, value: {granary.coroutines: true}}`],
      ["marked.wasm", ""],
      ["marked.wasm", text('{"granary.coroutines": false}')],
      ["ok.wasm", text('{"a": "granary.coroutines"}')],
      ["ok.wasm", text('{"granary.coroutines": true')],
    ] as const;
    const found = rows.map(([file, any]) => vm(file, any).coroutines);
    assert.deepEqual(found, [false, true, true, true, false, false, false]);
    const [plain, asked] = rows.map(([file, any]) => vm(file, any).codeKey);
    assert.notEqual(plain, asked);
  });

  test("coroutines that are neither asked for nor not are a problem", () => {
    const any = `configuration: {"@type": ${G}Struct, value: {granary.coroutines: "yes"}}`;
    const { problems } = load(bootstrapText({ filters: wasmFilter("", any) }));
    assert.deepEqual(
      problems.map(({ message }) => message),
      ["granary.coroutines is neither true nor false"],
    );
  });

  test("one module used twice is held once", () => {
    const { modules } = good({ filters: `${wasmFilter()}\n${wasmFilter()}` });
    assert.deepEqual(
      modules.map(({ origin, sha256: hash }) => [origin, hash]),
      [["ok.wasm", sha256(EMPTY_MODULE)]],
    );
  });
});
