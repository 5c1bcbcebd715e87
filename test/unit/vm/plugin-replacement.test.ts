import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { PluginConfig } from "../../../src/config/types.ts";
import type { HttpStreamContext } from "../../../src/vm/contexts.ts";
import { createPluginHost } from "../../../src/vm/plugin-host.ts";
import { FakeStream, FakeThread } from "../../harness/fake-roles.ts";
import { type GuestSource, guestModule } from "../../harness/guest-source.ts";
import { CODE_SHA, configWith, pluginConfig } from "../../harness/plugin-fixture.ts";

const log = (at: number, length: number): string =>
  `(drop (call $proxy_log (i32.const 2) (i32.const ${at}) (i32.const ${length})))`;

/** Logs "start", "done" and "delete" of its root; `done` is what proxy_on_done answers. */
function guest(done = 1): GuestSource {
  return {
    data: { 0: "start", 16: "done", 32: "delete" },
    callbacks: {
      proxy_on_configure: `${log(0, 5)} (i32.const 1)`,
      proxy_on_done: `${log(16, 4)} (i32.const ${done})`,
      proxy_on_delete: log(32, 6),
    },
  };
}

function hostOf(plugins: readonly PluginConfig[], source = guest()) {
  const thread = new FakeThread();
  const modules = new Map([[CODE_SHA, guestModule(source)]]);
  const host = createPluginHost({
    config: configWith(plugins),
    modules,
    roles: thread,
    singletons: "here",
  });
  assert.deepEqual(host.start(), []);
  const lines = (): string[] => thread.lines.splice(0).map((line) => line.split(": ").pop() ?? "");
  const turn = (): void => thread.timers.advance(0);
  return { host, thread, lines, turn };
}

const NEW_CODE = "11";

function withCode(base: PluginConfig, vmKey: string, codeKey = NEW_CODE): PluginConfig {
  return { ...base, vm: { ...base.vm, vmKey, codeKey } };
}

/** Defines the counter `name` at its start, and traps in each stream. */
function counting(name: string): GuestSource {
  return {
    data: { 0: name },
    callbacks: {
      proxy_on_configure: `(drop (call $proxy_define_metric (i32.const 0) (i32.const 0)
        (i32.const ${name.length}) (i32.const 1024))) (i32.const 1)`,
      proxy_on_request_headers: "(unreachable)",
    },
  };
}

describe("metrics of plugins", () => {
  it("end with the last VM slot that had them, not with a VM that fails", () => {
    const one = pluginConfig({ failurePolicy: "reload" });
    const { host, thread, turn } = hostOf([one], counting("hits"));
    const owners = (): readonly number[] => [...thread.metricOwners.values()];
    assert.deepEqual(owners(), [1]);
    const stream = host.plugin(one).createStream(new FakeStream());
    stream?.onRequestHeaders(1, true);
    stream?.onDestroy();
    assert.deepEqual(owners(), [1], "the VM died, the slot did not");
    const next = withCode(one, "next");
    const modules = new Map([[NEW_CODE, guestModule(counting("hits"))]]);
    assert.deepEqual(host.stage([next], modules), []);
    assert.deepEqual(owners(), [2], "the next version has it before the old one ends");
    host.retain([next]);
    turn();
    assert.deepEqual(owners(), [1]);
    host.retain([]);
    turn();
    assert.deepEqual(owners(), [0]);
  });
});

describe("hostcalls of a plugin", () => {
  it("are counted by name", () => {
    const { host } = hostOf([pluginConfig()], counting("hits"));
    const [vm] = host.report();
    assert.deepEqual(vm?.plugins[0]?.hostcalls, [{ hostcall: "proxy_define_metric", calls: 1 }]);
  });
});

describe("plugins that are replaced", () => {
  it("leaves equal plugins alone, whatever object describes them", () => {
    const one = pluginConfig();
    const { host, lines, turn } = hostOf([one]);
    lines();
    const same = pluginConfig();
    assert.deepEqual(host.stage([same], new Map()), []);
    host.retain([same]);
    turn();
    assert.deepEqual(lines(), []);
    assert.equal(host.vmCount, 1);
    assert.notEqual(host.plugin(same).createStream(new FakeStream()), null);
  });

  it("starts a changed plugin in the same VM, and ends the old root after its last stream", () => {
    const one = pluginConfig();
    const two = pluginConfig({ pluginKey: "two" });
    const { host, lines, turn } = hostOf([one]);
    const stream = host.plugin(one).createStream(new FakeStream());
    stream?.onRequestHeaders(1, true);
    lines();
    assert.deepEqual(host.stage([two], new Map()), []);
    assert.deepEqual(lines(), ["start"]);
    host.retain([two]);
    turn();
    assert.deepEqual(lines(), [], "a stream is still there");
    stream?.onDestroy();
    assert.deepEqual(lines(), ["done", "delete"], "of the stream");
    turn();
    assert.deepEqual(lines(), ["done", "delete"], "of the root");
    assert.equal(host.vmCount, 1);
  });

  it("closes a VM with its last root", () => {
    const one = pluginConfig();
    const two = withCode(one, "other");
    const { host, turn } = hostOf([one]);
    const stream = host.plugin(one).createStream(new FakeStream());
    stream?.onRequestHeaders(1, true);
    host.stage([two], new Map([[NEW_CODE, guestModule(guest())]]));
    host.retain([two]);
    turn();
    assert.equal(host.vmCount, 2);
    stream?.onDestroy();
    turn();
    assert.equal(host.vmCount, 1);
  });

  it("does not wait for ever for a guest that is never done", () => {
    const one = pluginConfig();
    const two = withCode(one, "other");
    const { host, thread, turn } = hostOf([one], guest(0));
    host.stage([two], new Map([[NEW_CODE, guestModule(guest())]]));
    host.retain([two]);
    turn();
    assert.equal(host.vmCount, 2);
    thread.timers.advance(10_000);
    assert.equal(host.vmCount, 1);
  });

  it("drops what was staged when the update is refused", () => {
    const one = pluginConfig();
    const two = withCode(one, "other");
    const { host, turn } = hostOf([one]);
    const refusing = guestModule({ callbacks: { proxy_on_configure: "(i32.const 0)" } });
    const problems = host.stage([two], new Map([[NEW_CODE, refusing]]));
    assert.deepEqual(problems, ['plugin "plugin": proxy_on_configure returned false']);
    host.retain([one]);
    turn();
    assert.equal(host.vmCount, 1);
    // The same code, corrected, is tried anew.
    assert.deepEqual(host.stage([two], new Map([[NEW_CODE, guestModule(guest())]])), []);
  });

  for (const [name, crashesMax] of [
    ["its VM waits to be made anew", 3],
    ["it was cut off because it kept failing", 2],
  ] as const) {
    it(`starts a corrected plugin at once though ${name}`, () => {
      const trap = { callbacks: { proxy_on_request_headers: "unreachable" } };
      const isolation = { ...pluginConfig().isolation, crashesMax };
      const one = pluginConfig({ isolation });
      const { host } = hostOf([one], trap);
      const request = (): void => {
        host.plugin(one).createStream(new FakeStream())?.onRequestHeaders(1, true);
      };
      request();
      request();
      // Nothing but the correction makes another.
      request();
      assert.equal(host.vmCount, 0);
      assert.equal(host.report()[0]?.state, crashesMax === 2 ? "cut off" : "failed");
      assert.deepEqual(host.stage([pluginConfig({ pluginKey: "two", isolation })], new Map()), []);
      assert.equal(host.vmCount, 1);
    });
  }

  it("gives the memory of replaced VMs back", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    let current = pluginConfig();
    const { host, turn } = hostOf([current]);
    const gone: WeakRef<object>[] = [];
    const replace = (version: number): void => {
      const stream = host.plugin(current).createStream(new FakeStream()) as HttpStreamContext;
      stream.onRequestHeaders(1, true);
      gone.push(new WeakRef(stream.root.vm));
      const next = withCode(pluginConfig(), `vm ${version}`, String(version));
      host.stage([next], new Map([[String(version), guestModule(guest())]]));
      host.retain([next]);
      stream.onDestroy();
      turn();
      current = next;
    };
    for (let version = 0; version < 20; version++) replace(version);
    for (let round = 0; round < 10 && gone.some((each) => each.deref() !== undefined); round++) {
      await new Promise((resolve) => setImmediate(resolve));
      collect();
    }
    assert.equal(gone.filter((each) => each.deref() !== undefined).length, 0);
    assert.equal(host.vmCount, 1);
  });
});
