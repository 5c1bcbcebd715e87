import assert from "node:assert/strict";
import { it } from "node:test";
import { RingWriter } from "../../../src/main/ring-writer.ts";
import { attachBell, createBell } from "../../../src/shm/bell-layout.ts";

const THREAD = new URL("./fixtures/ends-at-once.js", import.meta.url);
const limits = { timeout: 30_000 };

it(
  "the thread behind rings starts when a bell rings, and again when it has ended",
  limits,
  async () => {
    const starts = new Int32Array(new SharedArrayBuffer(4));
    const boot = { bell: createBell(), starts };
    const writer = new RingWriter({ name: "test writer", entry: THREAD, boot, bellIndex: 0 });
    const silo = attachBell(boot.bell);
    for (let round = 1; round <= 3; round++) {
      assert.equal(Atomics.load(starts, 0), round - 1);
      silo.ring(0);
      while (Atomics.load(starts, 0) < round) await new Promise((done) => setImmediate(done));
    }
    await writer.stop();
    silo.ring(0);
    await new Promise((done) => setImmediate(done));
    assert.equal(Atomics.load(starts, 0), 3);
  },
);
