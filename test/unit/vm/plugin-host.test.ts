import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PluginConfig } from "../../../src/config/types.ts";
import { canaryPlugins } from "../../../src/vm/canary.ts";
import { createPluginHost } from "../../../src/vm/plugin-host.ts";
import { FakeStream, FakeThread } from "../../harness/fake-roles.ts";
import { type GuestSource, guestModule } from "../../harness/guest-source.ts";
import { CODE_SHA, configWith, pluginConfig, startPlugin } from "../../harness/plugin-fixture.ts";

function hostOf(source: GuestSource, plugins: readonly PluginConfig[]) {
  const thread = new FakeThread();
  const host = createPluginHost({
    config: configWith(plugins),
    modules: new Map([[CODE_SHA, guestModule(source)]]),
    roles: thread,
    singletons: "here",
  });
  return { host, thread, problems: host.start() };
}

const LOG_CREATE: GuestSource = {
  data: { 0: "new" },
  callbacks: {
    proxy_on_context_create: `(if (i32.eqz (local.get $a)) (then
      (drop (call $proxy_log (i32.const 2) (i32.const 0) (i32.const 3)))))`,
  },
};

describe("a plugin host that stops", () => {
  const notDone = { callbacks: { proxy_on_done: "(i32.const 0)" } };

  it("tells of its end once: at once, or after the grace of a guest that is not done", () => {
    let ended = 0;
    const end = (): void => {
      ended++;
    };
    hostOf({}, [pluginConfig()]).host.stop(1_000, end);
    hostOf({}, []).host.stop(1_000, end);
    assert.equal(ended, 2);
    const { host, thread } = hostOf(notDone, [pluginConfig()]);
    host.stop(1_000, end);
    thread.timers.advance(999);
    assert.equal(ended, 2);
    thread.timers.advance(1);
    assert.equal(ended, 3);
    assert.equal(host.vmCount, 0);
  });

  it("tells of it as soon as the guest says that it is done", () => {
    let ended = 0;
    const tick = "(drop (call $proxy_set_tick_period_milliseconds (i32.const 10)))";
    const callbacks = {
      proxy_on_done: `${tick} (i32.const 0)`,
      proxy_on_tick: "(drop (call $proxy_done))",
    };
    const { host, thread } = hostOf({ callbacks }, [pluginConfig()]);
    host.stop(1_000, () => {
      ended++;
    });
    assert.equal(ended, 0);
    thread.timers.advance(10);
    assert.equal(ended, 1);
    thread.timers.advance(2_000);
    assert.equal(ended, 1);
  });
});

describe("plugin host", () => {
  it("shares a VM by VM key and a root by plugin key", () => {
    const one = pluginConfig({ name: "one" });
    const sameRoot = pluginConfig({ name: "one again" });
    const otherRoot = pluginConfig({ name: "two", pluginKey: "other" });
    const otherVm = pluginConfig({ name: "three", vm: { ...one.vm, vmKey: "other" } });
    const { host, thread } = hostOf(LOG_CREATE, [one, sameRoot, otherRoot, otherVm]);
    assert.equal(host.vmCount, 2);
    assert.deepEqual(
      thread.lines.map((line) => line.split(" ")[3]),
      ["one", "two", "three"],
    );
  });

  it("does not share a VM between different restrictions or environments", () => {
    const one = pluginConfig();
    const restricted = pluginConfig({ allowedCapabilities: ["proxy_log"] });
    const environment = [["A", "1"]] as const;
    const inOther = pluginConfig({ vm: { ...one.vm, environment } });
    assert.equal(hostOf({}, [one, restricted, inOther]).host.vmCount, 3);
  });

  it("uses each plugin's own policy on a shared root", () => {
    const closed = pluginConfig({ name: "closed" });
    const open = pluginConfig({ name: "open", failurePolicy: "open" });
    const { host } = hostOf({ callbacks: { proxy_on_request_headers: "unreachable" } }, [
      closed,
      open,
    ]);
    const streams = [closed, open].map((config) => {
      const stream = new FakeStream();
      return { stream, context: host.plugin(config).createStream(stream) };
    });
    assert.deepEqual(
      streams.map(({ context }) => context?.onRequestHeaders(1, true)),
      [4, 0],
    );
    assert.deepEqual(
      streams.map(({ stream }) => stream.calls),
      [["failStream"], []],
    );
  });

  it("gives a root whose VM another plugin replaced a new start at once", () => {
    const one = pluginConfig({ name: "one" });
    const two = pluginConfig({ name: "two", pluginKey: "other" });
    const source = {
      ...LOG_CREATE,
      callbacks: {
        ...LOG_CREATE.callbacks,
        proxy_on_request_headers: "(if (local.get $a) (then unreachable)) (i32.const 0)",
      },
    };
    const { host, thread } = hostOf(source, [one, two]);
    host.plugin(one).createStream(new FakeStream())?.onRequestHeaders(1, true);
    assert.equal(host.vmCount, 0);
    thread.lines.length = 0;
    for (const config of [one, two, one]) {
      const stream = new FakeStream();
      assert.equal(host.plugin(config).createStream(stream)?.onRequestHeaders(0, true), 0);
      assert.deepEqual(stream.calls, []);
    }
    assert.equal(thread.lines.length, 2);
    assert.equal(host.vmCount, 1);
  });

  it("reports every plugin that does not start and goes on with the others", () => {
    const good = pluginConfig();
    const noCode = pluginConfig({
      name: "lost",
      vm: { ...good.vm, vmKey: "lost", codeKey: "11" },
    });
    const { host, problems } = hostOf({}, [noCode, good]);
    assert.deepEqual(problems, ['plugin "lost": its module is not loaded']);
    assert.equal(host.vmCount, 1);
  });

  it("stops without a grace period when there is nothing to wait for", () => {
    const thread = new FakeThread();
    const host = createPluginHost({
      config: configWith([]),
      modules: new Map(),
      roles: thread,
      singletons: "here",
    });
    assert.deepEqual(host.start(), []);
    host.stop(1000);
    assert.equal(thread.timers.pendingCount, 0);
  });

  it("makes no new root and no new VM once it has stopped", () => {
    for (const answer of [0, 1]) {
      const fixture = startPlugin({ callbacks: { proxy_on_done: `(i32.const ${answer})` } });
      fixture.host.stop(10);
      const { stream, context } = fixture.open();
      assert.equal(context.onRequestHeaders(1, true), 4);
      assert.deepEqual(stream.calls, ["failStream"]);
      fixture.thread.timers.advance(100_000);
      fixture.open();
      assert.equal(fixture.host.vmCount, 0);
    }
  });
});

describe("capability restriction", () => {
  it("suppresses callbacks that are not listed", () => {
    const callbacks = { proxy_on_request_headers: "unreachable" };
    const fixture = startPlugin({ callbacks }, { allowedCapabilities: ["proxy_log"] });
    assert.deepEqual(fixture.problems, []);
    assert.equal(fixture.open().context.onRequestHeaders(1, true), 0);
  });

  it("answers hostcalls with InternalFailure and logs it once", () => {
    const log = "(drop (call $proxy_log (i32.const 5) (i32.const 0) (i32.const 1)))";
    const fixture = startPlugin(
      {
        data: { 0: "x" },
        callbacks: {
          proxy_on_request_headers: `${log}
            (if (i32.ne (i32.const 10) (call $proxy_log (i32.const 2) (i32.const 0) (i32.const 1)))
              (then unreachable)) (i32.const 3)`,
        },
      },
      { allowedCapabilities: ["proxy_on_request_headers"] },
    );
    assert.equal(fixture.open().context.onRequestHeaders(1, true), 3);
    assert.deepEqual(fixture.thread.lines, [
      "4 wasm log plugin root vm: proxy_log is restricted by capability_restriction_config",
    ]);
  });

  it("answers WASI functions with NOTCAPABLE, and proc_exit by nothing", () => {
    const imports = `
      (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))`;
    const fields = `(func (export "_initialize") (call $exit (i32.const 1))
      (if (i32.ne (i32.const 76) (call $yield)) (then unreachable)))`;
    const fixture = startPlugin({ imports, fields }, { allowedCapabilities: ["proxy_log"] });
    assert.deepEqual(fixture.problems, []);
    assert.equal(fixture.thread.lines.length, 2);
  });

  it("leaves what is listed as it is", () => {
    const allowedCapabilities = ["proxy_on_request_headers", "proxy_get_log_level"];
    const body = "(call $proxy_get_log_level (i32.const 64))";
    const fixture = startPlugin(
      { callbacks: { proxy_on_request_headers: body } },
      { allowedCapabilities },
    );
    assert.equal(fixture.open().context.onRequestHeaders(1, true), 0);
  });
});

describe("canary", () => {
  const modules = (source: GuestSource) => new Map([[CODE_SHA, guestModule(source)]]);

  it("finds nothing wrong with plugins that start", () => {
    const config = configWith([pluginConfig(), pluginConfig({ pluginKey: "b" })]);
    assert.deepEqual(canaryPlugins(config, modules({})), []);
  });

  it("tells which plugin does not start, and what the guest said about it", () => {
    const source: GuestSource = {
      data: { 0: "bad key" },
      callbacks: {
        proxy_on_configure: `(drop (call $proxy_log (i32.const 4) (i32.const 0) (i32.const 7)))
          (i32.const 0)`,
      },
    };
    assert.deepEqual(canaryPlugins(configWith([pluginConfig()]), modules(source)), [
      'plugin "plugin": proxy_on_configure returned false',
      "wasm log plugin root vm: bad key",
    ]);
  });

  it("runs no timers and no end of the plugin", () => {
    const callbacks = {
      proxy_on_configure:
        "(drop (call $proxy_set_tick_period_milliseconds (i32.const 1))) (i32.const 1)",
      proxy_on_done: "unreachable",
    };
    assert.deepEqual(canaryPlugins(configWith([pluginConfig()]), modules({ callbacks })), []);
  });
});
