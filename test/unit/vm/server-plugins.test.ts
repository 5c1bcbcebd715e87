/** Plugins without filters: access loggers, services, stats sinks. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createPluginHost } from "../../../src/vm/plugin-host.ts";
import { serverPlugins } from "../../../src/vm/plugin-identity.ts";
import { FakeStream, FakeThread } from "../../harness/fake-roles.ts";
import { guestModule } from "../../harness/guest-source.ts";
import { CODE_SHA, configWith, pluginConfig } from "../../harness/plugin-fixture.ts";
import { Guest } from "../../hostcalls/guest.ts";

const service = pluginConfig({ name: "service", pluginKey: "service" });
const single = pluginConfig({ name: "single", pluginKey: "single" });
const sink = pluginConfig({ name: "sink", pluginKey: "sink" });
const CONFIG = {
  ...configWith([]),
  services: [
    { plugin: service, singleton: false },
    { plugin: single, singleton: true },
  ],
  statSinks: [sink],
};

function started(singletons: "here" | "elsewhere") {
  const thread = new FakeThread();
  const fields = `(func $say (drop (call $proxy_log (i32.const 2) (i32.const 16) (i32.const 1))))`;
  const callbacks = {
    proxy_on_configure: "(call $say) (i32.const 1)",
    proxy_on_done: "(call $say) (i32.const 1)",
  };
  const modules = new Map([[CODE_SHA, guestModule({ fields, callbacks })]]);
  const host = createPluginHost({ config: CONFIG, modules, roles: thread, singletons });
  assert.deepEqual(host.start(), []);
  return { host, thread };
}

const namesIn = (lines: readonly string[]): string[] =>
  lines.map((line) => line.split(" ")[3] ?? "");

describe("plugins of the server", () => {
  it("keep their code and run on when no listener has them", () => {
    const { host, thread } = started("here");
    const before = host.vmCount;
    host.stage([], new Map());
    host.retain([]);
    thread.timers.advance(20_000);
    assert.equal(host.vmCount, before);
    assert.ok(!thread.vmEventLines.includes("ended"));
    // A plugin of a listener that comes later finds the code that they kept.
    const late = pluginConfig({ name: "late", pluginKey: "late" });
    assert.deepEqual(host.stage([late], new Map()), []);
  });

  it("run on every thread unless there is to be one of them", () => {
    assert.deepEqual(namesIn(started("here").thread.lines), ["service", "single", "sink"]);
    assert.deepEqual(namesIn(started("elsewhere").thread.lines), ["service"]);
    assert.deepEqual(serverPlugins(CONFIG, "elsewhere"), [service]);
  });

  it("stay when the plugins of listeners are replaced", () => {
    const { host, thread } = started("here");
    host.retain([]);
    thread.timers.advance(1);
    assert.equal(thread.lines.length, 3);
    host.stop(0);
    assert.deepEqual(namesIn(thread.lines.slice(3)), ["service", "single", "sink"]);
  });
});

describe("an access logger", () => {
  it("logs on the root context and reads the stream that ended", () => {
    const seen: unknown[] = [];
    const guest = new Guest();
    guest.on("proxy_on_log", (inner, [id]) => {
      seen.push(id === inner.root.id);
      seen.push(inner.fetch("proxy_get_header_map_value", 0, ...inner.put(":path")).text);
      seen.push(inner.fetch("proxy_get_property", ...inner.put("request\0path")).text);
      seen.push(inner.call("proxy_add_header_map_value", 0, ...inner.put("a"), ...inner.put("b")));
      return 0;
    });
    guest.start();
    const stream = new FakeStream();
    stream.writableMaps.clear();
    stream.values["request.path"] = "/p";
    guest.root.logStream(stream);
    assert.deepEqual(seen, [true, "/", "/p", 2]);
  });

  it("cannot act on the stream, and leaves no context behind", () => {
    const guest = new Guest();
    guest.on("proxy_on_log", (inner) => {
      inner.call("proxy_continue_stream", 0);
      inner.call("proxy_close_stream", 0);
      inner.call("proxy_send_local_response", 200, 0, 0, 0, 0, 0, 0, -1);
      return 0;
    });
    guest.start();
    const stream = new FakeStream();
    for (let i = 0; i < 3; i++) guest.root.logStream(stream);
    assert.deepEqual(stream.calls, []);
    assert.equal(guest.vm.contexts.count, 1);
    let isIdle = false;
    guest.root.whenIdle(() => {
      isIdle = true;
    });
    guest.thread.timers.advance(1);
    assert.ok(isIdle);
  });

  it("sees the stream no more when the callback is over", () => {
    const got: unknown[] = [];
    const guest = new Guest();
    guest.on("proxy_on_tick", (inner) => {
      got.push(inner.fetch("proxy_get_property", ...inner.put("request\0path")).status);
      return 0;
    });
    guest.start();
    const stream = new FakeStream();
    stream.values["request.path"] = "/p";
    guest.root.logStream(stream);
    guest.root.setTick(1);
    guest.thread.timers.advance(1);
    assert.deepEqual(got, [1]);
  });

  it("that traps fails its VM and nothing else", () => {
    const guest = new Guest();
    guest.on("proxy_on_log", () => {
      throw new Error("trap");
    });
    guest.start();
    const stream = new FakeStream();
    guest.root.logStream(stream);
    guest.root.logStream(stream);
    assert.equal(guest.vm.running, false);
    assert.deepEqual(stream.calls, []);
  });
});

describe("a stats sink", () => {
  it("reads the stats in buffer 8, during the callback alone", () => {
    const seen: unknown[] = [];
    const guest = new Guest();
    const read = (inner: Guest) => inner.fetch("proxy_get_buffer_bytes", 8, 0, 100).text;
    guest.on("envoy_on_stats_update", (inner, [, size]) => {
      seen.push(size, read(inner));
      return 0;
    });
    guest.on("proxy_on_tick", (inner) => {
      seen.push(read(inner));
      return 0;
    });
    guest.start();
    guest.root.statsUpdate(Buffer.from("stats"));
    guest.root.setTick(1);
    guest.thread.timers.advance(1);
    assert.deepEqual(seen, [5, "stats", ""]);
  });
});
