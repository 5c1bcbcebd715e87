import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Guest, inPhase } from "./guest.ts";

/** A started guest that counts its ticks. */
function ticking(periodMs: number): { readonly guest: Guest; readonly ticks: () => number } {
  let count = 0;
  const guest = new Guest()
    .on("proxy_on_configure", (inner) => {
      assert.equal(inner.call("proxy_set_tick_period_milliseconds", periodMs), 0);
      return 1;
    })
    .on("tick", () => {
      count++;
      return undefined;
    })
    .start();
  return { guest, ticks: () => count };
}

describe("proxy_set_tick_period_milliseconds works", () => {
  it("ticks once a period, again and again", () => {
    const { guest, ticks } = ticking(100);
    guest.thread.timers.advance(99);
    assert.equal(ticks(), 0);
    guest.thread.timers.advance(1);
    assert.equal(ticks(), 1);
    guest.thread.timers.advance(100);
    guest.thread.timers.advance(100);
    assert.equal(ticks(), 3);
  });

  it("replaces the period that was set before", () => {
    const { guest, ticks } = ticking(100);
    guest.on("proxy_on_request_headers", (inner) => {
      inner.call("proxy_set_tick_period_milliseconds", 10);
      return 0;
    });
    guest.open().onRequestHeaders(1, true);
    guest.thread.timers.advance(10);
    assert.equal(ticks(), 1);
    assert.equal(guest.thread.timers.pendingCount, 1);
  });

  it("stops with period 0, also from within a tick", () => {
    const { guest, ticks } = ticking(100);
    guest.on("tick", (inner) => {
      inner.call("proxy_set_tick_period_milliseconds", 0);
      return undefined;
    });
    guest.thread.timers.advance(100);
    assert.equal(ticks(), 0);
    assert.equal(guest.thread.timers.pendingCount, 0);
  });

  it("takes a new period from within a tick", () => {
    const { guest } = ticking(100);
    guest.on("tick", (inner) => {
      inner.call("proxy_set_tick_period_milliseconds", 5);
      return undefined;
    });
    guest.thread.timers.advance(100);
    let count = 0;
    guest.on("tick", () => {
      count++;
      return undefined;
    });
    guest.thread.timers.advance(5);
    assert.equal(count, 1);
  });
});

describe("proxy_set_tick_period_milliseconds misuse", () => {
  it("reads a negative number as unsigned and clamps it to what timers can hold", () => {
    const { guest, ticks } = ticking(-1);
    assert.equal(guest.thread.timers.pendingCount, 1);
    guest.thread.timers.advance(2 ** 31 - 2);
    assert.equal(ticks(), 0);
    guest.thread.timers.advance(1);
    assert.equal(ticks(), 1);
  });
});

describe("proxy_set_tick_period_milliseconds in the wrong phase", () => {
  it("answers BadArgument at start-up, where no root exists", () => {
    const set = (guest: Guest): number => guest.call("proxy_set_tick_period_milliseconds", 10);
    assert.equal(inPhase("startUp", set), 2);
  });

  it("sets the root's timer when a stream calls it", () => {
    const guest = new Guest().on("proxy_on_log", (inner) => {
      assert.equal(inner.call("proxy_set_tick_period_milliseconds", 10), 0);
      return undefined;
    });
    const context = guest.start().open();
    context.onLog();
    context.onDestroy();
    assert.equal(guest.thread.timers.pendingCount, 1);
  });
});

describe("proxy_set_tick_period_milliseconds edges", () => {
  it("leaves no timer behind when the VM fails", () => {
    const { guest } = ticking(100);
    guest.on("tick", () => {
      throw new Error("trap");
    });
    guest.thread.timers.advance(100);
    assert.notEqual(guest.vm.failure, null);
    assert.equal(guest.thread.timers.pendingCount, 0);
  });

  it("leaves no timer behind when the plugin ends", () => {
    const { guest } = ticking(100);
    guest.root.finish(() => undefined);
    assert.equal(guest.thread.timers.pendingCount, 0);
  });
});
