/** Sockets are told when the memory that they read into has moved or is gone. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LinearMemory } from "../../../src/abi/linear-memory.ts";
import { LIMITS } from "../../../src/base/limits.ts";
import type { BodySource, LentRegion } from "../../../src/shm/body-chunk.ts";
import { type BodyWindow, BodyWindows } from "../../../src/vm/body-windows.ts";

class Source implements BodySource {
  readonly calls: string[] = [];
  takes = true;
  lend(region: LentRegion): boolean {
    this.calls.push(`lend ${region.byteLength}`);
    return this.takes;
  }
  takeBack(): void {
    this.calls.push("take back");
  }
  moved(region: LentRegion): void {
    // A view that is taken now is of the memory as it is now.
    this.calls.push(`moved, ${region.view(0, 4).byteLength} bytes`);
  }
}

function windows() {
  const memory = new WebAssembly.Memory({ initial: 2 });
  const linear = new LinearMemory();
  linear.attach(memory);
  const all = new BodyWindows(linear);
  const open = (ptr: number): BodyWindow => {
    const window = all.open(ptr, 2_056);
    assert.ok(window);
    return window;
  };
  return { memory, all, open };
}

describe("regions that a guest lends", () => {
  it("are told of each growth of the memory, after the guest has run", () => {
    const { memory, all, open } = windows();
    const source = new Source();
    const window = open(1_024);
    window.offer(source);
    const early = window.view(0, 4);
    all.afterGuest();
    assert.deepEqual(source.calls, ["lend 2048"]);
    memory.grow(1);
    assert.equal(early.byteLength, 0, "what a socket held is detached");
    all.afterGuest();
    all.afterGuest();
    memory.grow(1);
    all.afterGuest();
    assert.deepEqual(source.calls.slice(1), ["moved, 4 bytes", "moved, 4 bytes"]);
  });

  it("know of growth from before they were lent", () => {
    const { memory, all, open } = windows();
    open(1_024).close();
    memory.grow(1);
    const source = new Source();
    open(1_024).offer(source);
    all.afterGuest();
    assert.deepEqual(source.calls, ["lend 2048"]);
  });

  it("are taken back when they are closed, one by one or with the VM", () => {
    const { all, open } = windows();
    const sources = [new Source(), new Source(), new Source()];
    const opened = sources.map((source, index) => {
      const window = open(index * 4_096);
      window.offer(source);
      return window;
    });
    opened[0]?.close();
    opened[0]?.close();
    assert.equal(all.count, 2);
    all.closeAll();
    assert.equal(all.count, 0);
    for (const { calls } of sources) assert.deepEqual(calls, ["lend 2048", "take back"]);
  });

  it("are offered once to each source, and to none that does not take them", () => {
    const { open } = windows();
    const [one, two] = [new Source(), new Source()];
    const window = open(0);
    window.offer(null);
    window.offer(one);
    window.offer(one);
    two.takes = false;
    window.offer(two);
    window.close();
    assert.deepEqual(one.calls, ["lend 2048", "take back"]);
    assert.deepEqual(two.calls, ["lend 2048"]);
  });

  it("are no more than there may be", () => {
    const memory = new WebAssembly.Memory({ initial: 100 });
    const linear = new LinearMemory();
    linear.attach(memory);
    const all = new BodyWindows(linear);
    for (let i = 0; i < LIMITS.bodyWindowsCount; i++) assert.ok(all.open(1_024 * i, 1_024));
    assert.equal(all.open(1_024 * LIMITS.bodyWindowsCount, 1_024), null);
  });
});
