import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LinearMemory } from "../../../src/abi/linear-memory.ts";

const PAGE = 65_536;

function attached(pages = 1): { memory: LinearMemory; wasm: WebAssembly.Memory } {
  const wasm = new WebAssembly.Memory({ initial: pages });
  const memory = new LinearMemory();
  memory.attach(wasm);
  return { memory, wasm };
}

describe("linear memory", () => {
  it("reads back what it wrote, as numbers, text and bytes", () => {
    const { memory, wasm } = attached();
    assert.ok(memory.writeU32(3, 0xfedcba98));
    assert.equal(memory.readU32(3), 0xfedcba98);
    assert.ok(memory.writeU64(11, -2n));
    assert.equal(new DataView(wasm.buffer).getBigInt64(11, true), -2n);
    for (const text of ["", "short", "\u00e9\u00ff", "x".repeat(100)]) {
      assert.ok(memory.writeLatin1(200, text));
      assert.equal(memory.readLatin1(200, text.length), text);
    }
    assert.ok(memory.writeBytes(50, Uint8Array.of(1, 2, 3)));
    assert.deepEqual(memory.readBytes(50, 3), Uint8Array.of(1, 2, 3));
  });

  it("takes signed pointers and lengths as unsigned", () => {
    const { memory } = attached();
    assert.equal(memory.isRange(-1, 1), false);
    assert.equal(memory.isRange(0, -1), false);
    assert.equal(memory.readLatin1(-8, 4), null);
    assert.equal(memory.readU32(-4), -1);
  });

  it("refuses every range that ends behind the memory", () => {
    const { memory } = attached();
    assert.equal(memory.isRange(PAGE - 4, 4), true);
    assert.equal(memory.isRange(PAGE - 3, 4), false);
    assert.equal(memory.readU32(PAGE - 4), 0);
    assert.equal(memory.readU32(PAGE - 3), -1);
    assert.equal(memory.writeU32(PAGE - 3, 1), false);
    assert.equal(memory.writeU64(PAGE - 7, 1n), false);
    assert.equal(memory.writeLatin1(PAGE - 1, "ab"), false);
    assert.equal(memory.writeBytes(PAGE, Uint8Array.of(1)), false);
    assert.equal(memory.view(0xffffffff, 0xffffffff), null);
    assert.equal(memory.readBytes(PAGE - 1, 2), null);
    assert.equal(memory.readUtf8(PAGE, 1), null);
  });

  it("accepts an empty range at any address", () => {
    const { memory } = attached();
    assert.equal(memory.isRange(0xffffffff, 0), true);
    assert.equal(memory.readLatin1(0xffffffff, 0), "");
    assert.equal(memory.readBytes(-1, 0)?.length, 0);
    assert.equal(memory.view(-1, 0)?.length, 0);
  });

  it("sees memory that has grown", () => {
    const { memory, wasm } = attached();
    assert.equal(memory.writeU32(PAGE, 7), false);
    wasm.grow(1);
    assert.equal(memory.size(), 2 * PAGE);
    assert.ok(memory.writeU32(PAGE, 7));
    assert.equal(new DataView(wasm.buffer).getUint32(PAGE, true), 7);
  });

  it("has no ranges while the memory is unknown", () => {
    const memory = new LinearMemory();
    assert.equal(memory.size(), 0);
    assert.equal(memory.readLatin1(0, 1), null);
    assert.equal(memory.readU32(0), -1);
    assert.equal(memory.writeU32(0, 1), false);
    assert.equal(memory.readLatin1(0, 0), "");
  });

  it("copies bytes that are kept", () => {
    const { memory } = attached();
    memory.writeLatin1(0, "abc");
    const copy = memory.readBytes(0, 3);
    memory.writeLatin1(0, "xyz");
    assert.deepEqual(copy, new Uint8Array(Buffer.from("abc")));
  });
});
