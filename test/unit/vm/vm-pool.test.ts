/** The VMs of a plugin with coroutines: who gets which, when they are made, when they go. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { IsolationConfig, PluginConfig } from "../../../src/config/types.ts";
import type { HttpStreamContext } from "../../../src/vm/contexts.ts";
import { createPluginHost } from "../../../src/vm/plugin-host.ts";
import type { PluginHost } from "../../../src/vm/types.ts";
import type { Vm } from "../../../src/vm/vm.ts";
import { settled } from "../../harness/coroutine-guest.ts";
import { FakeStream, FakeThread } from "../../harness/fake-roles.ts";
import { type GuestSource, guestModule } from "../../harness/guest-source.ts";
import { CODE_SHA, configWith, pluginConfig } from "../../harness/plugin-fixture.ts";

const IDLE_MS = 1_000;

/** Traps at request headers that end the stream; logs its end. */
const GUEST: GuestSource = {
  data: { 0: "done" },
  callbacks: {
    proxy_on_request_headers: "(if (local.get $b) (then (unreachable))) (i32.const 0)",
    proxy_on_done:
      "(drop (call $proxy_log (i32.const 2) (i32.const 0) (i32.const 4))) (i32.const 1)",
  },
};

function pooled(
  isolation: Partial<IsolationConfig> = {},
  overrides: Partial<PluginConfig> = {},
): PluginConfig {
  const base = pluginConfig(overrides);
  const vm = { ...base.vm, coroutines: true };
  const pool = { vmPoolMin: 1, vmPoolMax: 3, vmPoolIdleMs: IDLE_MS };
  return { ...base, vm, isolation: { ...base.isolation, ...pool, ...isolation } };
}

class Rig {
  readonly thread = new FakeThread();
  readonly host: PluginHost;

  constructor(plugins: readonly PluginConfig[], source = GUEST) {
    this.host = createPluginHost({
      config: configWith(plugins),
      modules: new Map([[CODE_SHA, guestModule(source)]]),
      roles: this.thread,
      singletons: "here",
    });
    assert.deepEqual(this.host.start(), []);
  }

  /** A stream of the plugin whose context is made. */
  open(plugin: PluginConfig): HttpStreamContext {
    const stream = this.host.plugin(plugin).createStream(new FakeStream());
    assert.ok(stream !== null);
    stream.enter();
    return stream as HttpStreamContext;
  }

  /** A stream whose callback waits: its VM is busy. */
  suspended(plugin: PluginConfig): HttpStreamContext {
    const stream = this.open(plugin);
    stream.root.vm.suspended = true;
    return stream;
  }

  pool(): (number | undefined)[] {
    return this.host.report().map(({ pool }) => pool?.index);
  }

  /** Time goes by, long enough for idle VMs to go. */
  idle(): void {
    for (let step = 0; step < 12; step++) this.thread.timers.advance(IDLE_MS / 4);
    this.thread.timers.advance(0);
  }

  /** Events of the pool since the last look. */
  events(): readonly string[] {
    return this.thread.vmEventLines.splice(0).filter((line) => line.startsWith("pool "));
  }
}

const vmOf = ({ root }: HttpStreamContext): Vm => root.vm;

describe("the VMs of a plugin with coroutines", () => {
  it("are one while none is busy", () => {
    const plugin = pooled();
    const rig = new Rig([plugin]);
    const [first, second] = [rig.open(plugin), rig.open(plugin)];
    assert.equal(vmOf(first), vmOf(second));
    assert.deepEqual(rig.pool(), [0]);
  });

  it("are as many as wait, and streams stay with theirs", () => {
    const plugin = pooled();
    const rig = new Rig([plugin]);
    const first = rig.suspended(plugin);
    const second = rig.open(plugin);
    assert.notEqual(vmOf(first), vmOf(second));
    assert.deepEqual(rig.events(), ["pool created"]);
    assert.equal(vmOf(rig.open(plugin)), vmOf(second));
    vmOf(first).suspended = false;
    assert.equal(second.onRequestHeaders(1, false), 0);
    assert.equal(rig.host.vmCount, 2);
  });

  it("get streams where the fewest are, the first one before others", () => {
    const plugin = pooled();
    const rig = new Rig([plugin]);
    const first = rig.suspended(plugin);
    const second = rig.open(plugin);
    vmOf(first).suspended = false;
    second.onDestroy();
    assert.equal(vmOf(rig.open(plugin)), vmOf(second), "one there, none here");
    assert.equal(vmOf(rig.open(plugin)), vmOf(first), "one in each");
  });

  it("are no more than there may be: the next stream begins in a busy one", () => {
    const plugin = pooled();
    const rig = new Rig([plugin]);
    const vms = new Set([1, 2, 3].map(() => vmOf(rig.suspended(plugin))));
    assert.equal(vms.size, 3);
    assert.deepEqual(rig.events(), ["pool created", "pool created"]);
    const late = rig.open(plugin);
    assert.ok(vms.has(vmOf(late)));
    assert.deepEqual(rig.events(), ["pool exhausted"]);
    assert.deepEqual(
      rig.host.report().map(({ pool }) => pool?.isSuspended),
      [true, true, true],
    );
  });

  it("are at the start as many as there must be", () => {
    const plugin = pooled({ vmPoolMin: 2 });
    const rig = new Rig([plugin]);
    assert.deepEqual(rig.pool(), [0, 1]);
    rig.idle();
    assert.deepEqual(rig.pool(), [0, 1]);
  });

  it("end when they were idle for the time, by the ways of their plugin", () => {
    const plugin = pooled();
    const rig = new Rig([plugin]);
    const first = rig.suspended(plugin);
    const second = rig.suspended(plugin);
    const third = rig.open(plugin);
    vmOf(first).suspended = false;
    vmOf(second).suspended = false;
    third.onDestroy();
    rig.idle();
    assert.deepEqual(rig.events(), ["pool created", "pool created", "pool retired"]);
    assert.equal(rig.host.vmCount, 2);
    assert.equal(rig.thread.lines.filter((line) => line.endsWith("done")).length, 2);
    first.onDestroy();
    second.onDestroy();
    rig.idle();
    assert.deepEqual([rig.events(), rig.pool()], [["pool retired"], [0]]);
    assert.equal(rig.thread.timers.pendingCount, 0, "nobody looks for idle ones any more");
  });

  it("do not end while their guest waits or has a stream", () => {
    const plugin = pooled();
    const rig = new Rig([plugin]);
    rig.suspended(plugin);
    const second = rig.open(plugin);
    rig.idle();
    assert.deepEqual(rig.pool(), [0, 1]);
    second.onDestroy();
    vmOf(second).suspended = true;
    rig.idle();
    assert.deepEqual(rig.pool(), [0, 1]);
    vmOf(second).suspended = false;
    rig.idle();
    assert.deepEqual(rig.pool(), [0]);
  });

  it("keep what they cost when they end", () => {
    const plugin = pooled();
    const rig = new Rig([plugin]);
    rig.suspended(plugin);
    const second = rig.open(plugin);
    second.onRequestHeaders(1, false);
    second.onDestroy();
    const calls = (): number =>
      rig.host.report().reduce((sum, { plugins }) => sum + (plugins[0]?.calls ?? 0), 0);
    const before = calls();
    rig.idle();
    assert.deepEqual(rig.pool(), [0]);
    assert.equal(calls(), before);
  });
});

/** The VM of the stream fails; engines that suspend guests by themselves tell it a little later. */
async function failed(stream: HttpStreamContext): Promise<void> {
  stream.onRequestHeaders(1, true);
  await settled();
}

describe("a VM of a pool that fails", () => {
  it("leaves the others and their streams, and comes again", async () => {
    const plugin = pooled({}, { failurePolicy: "reload" });
    const rig = new Rig([plugin]);
    rig.suspended(plugin);
    const second = rig.open(plugin);
    const sibling = rig.open(plugin);
    await failed(second);
    assert.equal(vmOf(sibling).running, false);
    assert.deepEqual(
      rig.host.report().map(({ state }) => state),
      ["running", "failed"],
    );
    assert.equal(vmOf(rig.open(plugin)), rig.host.vmCount === 1 ? vmOf(rig.open(plugin)) : null);
    rig.thread.timers.advance(1);
    assert.equal(rig.host.vmCount, 2);
  });

  it("is not replaced by a further one", async () => {
    const plugin = pooled();
    const rig = new Rig([plugin]);
    rig.suspended(plugin);
    await failed(rig.open(plugin));
    rig.events();
    rig.open(plugin);
    assert.deepEqual(rig.events(), ["pool exhausted"]);
  });

  it("counts for the plugin: all together are cut off", async () => {
    const plugin = pooled({ crashesMax: 2 }, { failurePolicy: "reload", reloadBaseIntervalMs: 1 });
    const rig = new Rig([plugin]);
    const first = rig.suspended(plugin);
    await failed(rig.open(plugin));
    vmOf(first).suspended = false;
    await failed(first);
    assert.ok(rig.thread.vmEventLines.includes("cut off plugin"));
    rig.thread.timers.advance(1_000);
    assert.deepEqual(
      rig.host.report().map(({ state }) => state),
      ["cut off", "cut off"],
    );
  });

  it("and none runs: streams get the plugin's policy", async () => {
    const plugin = pooled({}, { reloadBaseIntervalMs: 60_000 });
    const rig = new Rig([plugin]);
    await failed(rig.open(plugin));
    await failed(rig.open(plugin));
    const stream = new FakeStream();
    rig.host.plugin(plugin).createStream(stream)?.onRequestHeaders(1, false);
    assert.deepEqual(stream.calls, ["failStream"]);
  });
});

describe("a VM that does not start beside others", () => {
  /** Is configured once on a thread: the second time its configuration is refused. */
  const ONCE: GuestSource = {
    data: { 0: "taken" },
    callbacks: {
      proxy_on_configure: `(drop (call $proxy_get_shared_data (i32.const 0) (i32.const 5)
          (i32.const 1024) (i32.const 1028) (i32.const 1032)))
        (drop (call $proxy_set_shared_data (i32.const 0) (i32.const 5) (i32.const 0)
          (i32.const 5) (i32.const 0)))
        (i32.eqz (i32.load (i32.const 1024)))`,
    },
  };

  it("is left out, and not tried again for a while", () => {
    const plugin = pooled();
    const rig = new Rig([plugin], ONCE);
    const first = rig.suspended(plugin);
    const before = rig.thread.vmEventLines.length;
    assert.equal(vmOf(rig.open(plugin)), vmOf(first));
    assert.equal(vmOf(rig.open(plugin)), vmOf(first));
    assert.deepEqual(rig.pool(), [0]);
    const made = rig.thread.vmEventLines.slice(before).filter((line) => line === "created");
    assert.equal(made.length, 1, "one was tried for both streams");
    rig.thread.timers.advance(10_000);
    rig.open(plugin);
    assert.equal(rig.thread.vmEventLines.filter((line) => line === "created").length, 3);
  });
});

describe("plugins that share a pool", () => {
  it("share its VMs, each with roots of its own", () => {
    const one = pooled({}, { name: "one", pluginKey: "one" });
    const two = pooled({}, { name: "two", pluginKey: "two" });
    const rig = new Rig([one, two]);
    const first = rig.suspended(one);
    const second = rig.suspended(two);
    assert.notEqual(vmOf(first), vmOf(second));
    assert.deepEqual(
      rig.host.report().map(({ plugins }) => plugins.map(({ name }) => name)),
      [["one", "two"], ["two"]],
    );
    vmOf(second).suspended = false;
    assert.equal(vmOf(rig.open(one)), vmOf(second));
  });

  it("keep it until the last of them ends", () => {
    const one = pooled({}, { name: "one", pluginKey: "one" });
    const two = pooled({}, { name: "two", pluginKey: "two" });
    const rig = new Rig([one, two]);
    const first = rig.suspended(one);
    const second = rig.open(two);
    vmOf(first).suspended = false;
    rig.host.retain([one]);
    second.onDestroy();
    rig.thread.timers.advance(0);
    assert.deepEqual([rig.pool(), rig.host.vmCount], [[0], 1], "the VM of two alone is gone");
    rig.host.retain([]);
    first.onDestroy();
    rig.thread.timers.advance(0);
    assert.deepEqual([rig.pool(), rig.host.vmCount], [[], 0]);
  });
});

describe("a pool whose plugin is replaced", () => {
  it("ends each VM after its last stream", () => {
    const plugin = pooled();
    const rig = new Rig([plugin]);
    const streams = [1, 2, 3].map(() => rig.suspended(plugin));
    rig.host.retain([]);
    for (const stream of streams) {
      assert.ok(vmOf(stream).running);
      vmOf(stream).suspended = false;
      stream.onRequestHeaders(1, false);
      stream.onDestroy();
      rig.thread.timers.advance(0);
      assert.equal(vmOf(stream).running, false);
    }
    assert.deepEqual(rig.pool(), []);
    assert.equal(rig.thread.timers.pendingCount, 0);
  });

  it("is stopped as a whole", () => {
    const plugin = pooled();
    const rig = new Rig([plugin]);
    rig.suspended(plugin);
    const second = rig.open(plugin);
    let ended = 0;
    rig.host.stop(1_000, () => {
      ended++;
    });
    rig.thread.timers.advance(1_000);
    assert.deepEqual([ended, rig.host.vmCount, vmOf(second).running], [1, 0, false]);
  });
});

describe("items in queues of a pool", () => {
  it("are told to one VM that is idle", () => {
    const plugin = pooled();
    const rig = new Rig([plugin], {
      data: { 0: "queue", 16: "item" },
      callbacks: {
        proxy_on_configure: `(i32.eqz (call $proxy_register_shared_queue (i32.const 0)
          (i32.const 5) (i32.const 64)))`,
        proxy_on_queue_ready: "(drop (call $proxy_log (i32.const 2) (i32.const 16) (i32.const 4)))",
      },
    });
    const first = rig.suspended(plugin);
    const second = rig.open(plugin);
    const items = (): number => rig.thread.lines.filter((line) => line.endsWith("item")).length;
    const told = first.root.queueListener;
    assert.equal(told, second.root.queueListener);
    told.onQueueReady(1);
    assert.equal(items(), 1);
    second.onDestroy();
    vmOf(first).suspended = false;
    rig.idle();
    assert.deepEqual(rig.pool(), [0]);
    told.onQueueReady(1);
    assert.equal(items(), 2);
  });
});
