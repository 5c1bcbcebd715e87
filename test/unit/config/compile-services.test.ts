/** Plugins of the server: services, stats sinks, and access loggers. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { formatProblems } from "../../../src/config/load.ts";
import { bootstrapText, LOGGERS, load } from "./bootstrap-text.ts";
import { good, hcm } from "./good-config.ts";

const E = "type.googleapis.com/envoy.extensions.";
const PLUGIN = "{name: s, root_id: r, vm_config: {code: {local: {filename: ok.wasm}}}}";
const service = (fields: string): string =>
  `bootstrap_extensions: [{name: envoy.bootstrap.wasm, typed_config: {"@type": ${E}wasm.v3.WasmService, ${fields}}}]`;
const sink = (fields: string): string =>
  `stats_sinks: [{name: envoy.stat_sinks.wasm, typed_config: {"@type": ${E}stat_sinks.wasm.v3.Wasm, ${fields}}}]`;

const problems = (top: string): string => formatProblems(load(bootstrapText({ top })).problems);

describe("bootstrap_extensions", () => {
  test("a service runs on every silo, or once with a VM of its own", () => {
    const [every] = good({ top: service(`config: ${PLUGIN}`) }).services;
    const [once] = good({ top: service(`config: ${PLUGIN}, singleton: true`) }).services;
    assert.deepEqual([every?.singleton, once?.singleton], [false, true]);
    assert.deepEqual([every?.plugin.name, every?.plugin.rootId], ["s", "r"]);
    assert.notEqual(every?.plugin.vm.vmKey, once?.plugin.vm.vmKey);
    assert.equal(every?.plugin.pluginKey, once?.plugin.pluginKey);
  });

  test("another extension, and a service without a plugin, are problems", () => {
    assert.match(problems(service("singleton: true")), /bootstrap_extensions\[0\].*config/);
    const other = `bootstrap_extensions: [{name: x, typed_config: {"@type": ${E}wasm.v3.PluginConfig}}]`;
    assert.match(problems(other), /envoy.extensions.wasm.v3.PluginConfig is not implemented/);
    assert.match(problems("bootstrap_extensions: [{name: x}]"), /typed_config is required/);
  });
});

describe("stats_sinks", () => {
  test("a plugin gets the stats each stats_flush_interval", () => {
    const config = good({ top: `${sink(`config: ${PLUGIN}`)}\nstats_flush_interval: 2s` });
    assert.deepEqual([config.statSinks[0]?.name, config.statsFlushMs], ["s", 2_000]);
    assert.equal(good({}).statsFlushMs, 5_000);
  });

  test("another sink is a problem", () => {
    const other = `stats_sinks: [{name: x, typed_config: {"@type": ${E}wasm.v3.PluginConfig}}]`;
    assert.match(problems(other), /not implemented/);
    assert.match(problems(sink("")), /config is required/);
  });
});

describe("access loggers that are plugins", () => {
  test("stand beside those that write lines", () => {
    const wasm = `{name: w, typed_config: {"@type": ${LOGGERS}wasm.v3.WasmAccessLog, config: ${PLUGIN}}}`;
    const file = `{name: f, typed_config: {"@type": ${LOGGERS}file.v3.FileAccessLog, path: /x}}`;
    const made = hcm({ hcm: `access_log: [${wasm}, ${file}, ${wasm}]` });
    assert.deepEqual(
      made.accessLogPlugins.map(({ name }) => name),
      ["s", "s"],
    );
    assert.equal(made.accessLogs.length, 1);
  });

  test("cannot log requests to admin", () => {
    const wasm = `{name: w, typed_config: {"@type": ${LOGGERS}wasm.v3.WasmAccessLog, config: ${PLUGIN}}}`;
    const address = "{socket_address: {address: 127.0.0.1, port_value: 0}}";
    const top = `admin: {access_log: [${wasm}], address: ${address}}`;
    assert.match(problems(top), /WasmAccessLog is not implemented/);
  });
});
