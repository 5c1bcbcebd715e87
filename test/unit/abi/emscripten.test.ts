import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  createEmscripten,
  EMSCRIPTEN_FUNCTIONS,
  EMSCRIPTEN_NAMES,
} from "../../../src/abi/emscripten.ts";
import { LinearMemory } from "../../../src/abi/linear-memory.ts";

class Trap extends Error {}

function rig(pages = 1) {
  const memory = new LinearMemory();
  if (pages > 0) memory.attach(new WebAssembly.Memory({ initial: pages }));
  const functions = createEmscripten({
    memory,
    trap: (reason) => {
      throw new Trap(reason);
    },
  });
  const call = (name: string, ...wire: number[]): unknown => {
    const fn = functions[name];
    assert.ok(fn, `${name} is served`);
    return (fn as (...args: number[]) => unknown)(...wire);
  };
  return { memory, functions, call };
}

/** Stores an AssemblyScript string: its byte length before its UTF-16LE bytes. */
function putString(memory: LinearMemory, ptr: number, text: string): number {
  const bytes = Buffer.from(text, "utf16le");
  memory.writeU32(ptr - 4, bytes.byteLength);
  memory.writeBytes(ptr, bytes);
  return ptr;
}

describe("abort", () => {
  it("fails the VM with AssemblyScript's message and place", () => {
    const { memory, call } = rig();
    const message = putString(memory, 256, "index out of range \u2026");
    const file = putString(memory, 1024, "assembly/index.ts");
    assert.throws(
      () => call("abort", message, file, 12, 5),
      new Trap("abort: index out of range \u2026 at assembly/index.ts:12:5"),
    );
  });

  it("takes null strings", () => {
    assert.throws(() => rig().call("abort", 0, 0, 1, 2), new Trap("abort at ?:1:2"));
  });

  it("takes emscripten's form without parameters", () => {
    assert.throws(() => rig().call("abort"), new Trap("abort()"));
  });

  it("survives pointers and lengths outside the memory", () => {
    const { memory, call } = rig();
    memory.writeU32(252, 0xffffffff);
    assert.throws(() => call("abort", 256, -8, 1, 2), new Trap("abort at ?:1:2"));
    assert.throws(() => call("abort", 3, 65_540, 1, 2), new Trap("abort at ?:1:2"));
  });

  it("shortens an endless message", () => {
    const { memory, call } = rig();
    const message = putString(memory, 256, "x".repeat(20_000));
    assert.throws(
      () => call("abort", message, 0, 1, 2),
      (error) => error instanceof Trap && error.message.length < 2_100,
    );
  });

  it("fails the VM also while the memory is unknown", () => {
    assert.throws(() => rig(0).call("abort", 256, 512, 1, 2), new Trap("abort at ?:1:2"));
  });
});

describe("other imports from env", () => {
  it("compares threads, keeps the temporary result, ignores growth", () => {
    const { call } = rig();
    assert.equal(call("pthread_equal", 5, 5), 1);
    assert.equal(call("pthread_equal", 5, 6), 0);
    assert.equal(call("getTempRet0"), 0);
    call("setTempRet0", -7);
    assert.equal(call("getTempRet0"), -7);
    assert.equal(call("emscripten_notify_memory_growth", 0), undefined);
    assert.equal(call("HaveOffsetConverter"), 0);
  });

  it("keeps the temporary result of one VM from another", () => {
    const one = rig();
    const two = rig();
    one.call("setTempRet0", 1);
    assert.equal(two.call("getTempRet0"), 0);
  });

  it("copies memory inside the guest, overlapping or not, and traps outside", () => {
    const { memory, call } = rig();
    memory.writeLatin1(100, "abcdef");
    assert.equal(call("emscripten_memcpy_big", 102, 100, 6), 102);
    assert.equal(memory.readLatin1(100, 8), "ababcdef");
    assert.throws(() => call("emscripten_memcpy_big", 65_530, 100, 7), Trap);
    assert.throws(() => call("emscripten_memcpy_big", 0, 65_530, 7), Trap);
  });

  it("fails the VM where nothing sensible can be done, naming the function", () => {
    const { call } = rig();
    const trapping = EMSCRIPTEN_NAMES.filter((name) => EMSCRIPTEN_FUNCTIONS[name] === "trap");
    assert.ok(trapping.includes("__cxa_throw"));
    for (const name of trapping) {
      assert.throws(() => call(name, 0, 0, 0), new Trap(`env.${name} is not available`));
    }
  });

  it("serves every row of the table, and no more", () => {
    assert.deepEqual(Object.keys(rig().functions).sort(), [...EMSCRIPTEN_NAMES].sort());
  });
});
