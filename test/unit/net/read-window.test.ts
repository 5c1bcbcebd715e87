/** Where the next read of a socket goes, when memory is lent for a body. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ReadWindow, type WindowSocket } from "../../../src/net/read-window.ts";
import type { LentRegion } from "../../../src/shm/body-chunk.ts";
import { BodySlab } from "../../../src/shm/body-slab.ts";
import { createBodySlab } from "../../../src/shm/body-slab-layout.ts";

class Region implements LentRegion {
  memory = Buffer.alloc(8_192);
  readonly byteLength = 4_096;
  view(start: number, end: number): Uint8Array {
    return this.memory.subarray(1_000 + start, 1_000 + end);
  }
}

class FakeSocket implements WindowSocket {
  left = 100_000;
  isReading = false;
  canExchange = true;
  readonly exchanged: Uint8Array[] = [];
  bodyLeft(): number {
    return this.left;
  }
  exchangeBuffer(buffer: Uint8Array): void {
    this.exchanged.push(buffer);
  }
}

function fixture(keeps: "idle" | "always" = "always") {
  const slab = new BodySlab(createBodySlab(4_194_304));
  const window = new ReadWindow(slab, keeps);
  const socket = new FakeSocket();
  window.attach(socket);
  window.first();
  window.expectBody();
  return { slab, window, socket, region: new Region() };
}

const isIn = (region: Region, buffer: Uint8Array | null): boolean =>
  buffer !== null && buffer.buffer === region.memory.buffer;

describe("a window with lent memory", () => {
  it("reads no more into it than is body for certain, and small rests not at all", () => {
    const { window, socket, region } = fixture();
    assert.equal(window.lend(region), true);
    socket.left = 3_000;
    assert.equal(window.next()?.byteLength, 3_000);
    socket.left = 90_000;
    assert.equal(window.next()?.byteLength, 4_096);
    socket.left = Number.POSITIVE_INFINITY;
    assert.ok(isIn(region, window.next()));
    for (const left of [1_023, 0]) {
      socket.left = left;
      assert.ok(!isIn(region, window.next() ?? null), `${left} bytes are left`);
    }
  });

  it("takes memory of one at a time, and none where the socket keeps its buffer", () => {
    const { window, socket, region } = fixture();
    assert.equal(window.lend(region), true);
    assert.equal(window.lend(region), true);
    assert.equal(window.lend(new Region()), false);
    const other = fixture();
    other.socket.canExchange = false;
    assert.equal(other.window.lend(region), false);
    assert.equal(socket.exchanged.length, 0);
  });

  it("moves out what is still held when the read is over", () => {
    const { window, region } = fixture();
    window.lend(region);
    window.next()?.set(Buffer.from("held and gone"));
    const [held, gone] = [window.chunkOf(0, 4), window.chunkOf(9, 13)];
    assert.equal(held.isLent, true);
    assert.equal(gone.latin1(), "gone");
    gone.release();
    window.settle();
    region.memory.fill(0);
    assert.equal(held.isLent, false);
    assert.equal(held.latin1(), "held");
    assert.equal(gone.latin1(), "\0\0\0\0", "nobody had it any more");
  });

  it("gives who reads later bytes of their own", () => {
    const { window, region } = fixture();
    window.lend(region);
    window.next()?.set(Buffer.from("later"));
    const chunk = window.chunkOf(0, 5);
    const { lastingBytes } = chunk;
    region.memory.fill(0);
    assert.equal(Buffer.from(lastingBytes).toString(), "later");
  });

  for (const end of ["takeBack", "moved", "bodyDone"] as const) {
    it(`exchanges the buffer of a read under way at ${end}, not within a read`, () => {
      const { window, socket, region } = fixture();
      window.lend(region);
      assert.ok(isIn(region, window.next()));
      socket.isReading = true;
      const run = (): void => (end === "bodyDone" ? window.bodyDone() : window[end](region));
      run();
      assert.deepEqual(socket.exchanged, []);
      const next = window.next();
      assert.equal(isIn(region, next), end === "moved");
      if (end !== "moved") {
        window.lend(region);
        assert.ok(isIn(region, window.next()));
      }
      socket.isReading = false;
      region.memory = Buffer.alloc(8_192);
      run();
      const [exchanged] = socket.exchanged;
      assert.ok(exchanged);
      assert.equal(isIn(region, exchanged), end === "moved");
      // What Node says it read into is out of date until it has asked for a buffer.
      assert.equal(window.bufferRead(Buffer.alloc(1)), exchanged);
    });
  }

  it("keeps no memory when the socket is gone", () => {
    const { slab, window, region } = fixture();
    window.lend(region);
    window.next();
    window.end();
    window.takeBack(region);
    assert.equal(slab.leasedCount, 1);
    const idle = fixture("idle");
    idle.window.lend(region);
    idle.window.next();
    idle.window.bodyDone();
    assert.deepEqual(idle.socket.exchanged.length, 1);
    assert.equal(idle.slab.leasedCount, 1, "it reads into the shared window again");
  });
});
