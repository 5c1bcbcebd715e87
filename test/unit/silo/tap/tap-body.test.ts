/** What a tap keeps of bodies, and how it reaches the thread that writes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "../../../../src/base/limits.ts";
import { unpackRecord } from "../../../../src/base/msgpack.ts";
import { createBell } from "../../../../src/shm/bell-layout.ts";
import { BodyChunk } from "../../../../src/shm/body-chunk.ts";
import { BodySlab } from "../../../../src/shm/body-slab.ts";
import { createBodySlab } from "../../../../src/shm/body-slab-layout.ts";
import { ChunkHolder } from "../../../../src/shm/chunk-holder.ts";
import { RingConsumer } from "../../../../src/shm/ring.ts";
import { createRing } from "../../../../src/shm/ring-layout.ts";
import { BodyBuffer } from "../../../../src/silo/body-buffer.ts";
import { TapBody } from "../../../../src/silo/tap/tap-body.ts";
import type { TapRecord } from "../../../../src/silo/tap/tap-record.ts";
import { TapRing } from "../../../../src/silo/tap/tap-ring.ts";

const CHUNK = LIMITS.bodyChunkBytes;

class Fixture {
  readonly slab: BodySlab;
  readonly ring: TapRing;
  readonly holder: ChunkHolder;
  readonly #consumer: RingConsumer;

  constructor(chunks: number) {
    this.slab = new BodySlab(createBodySlab((1 + chunks) * CHUNK));
    const boot = { ring: createRing(), bell: createBell() };
    this.ring = new TapRing(boot, this.slab);
    this.holder = new ChunkHolder(this.slab.region);
    this.#consumer = new RingConsumer(boot.ring);
  }

  /** Passes `length` bytes by, in slab memory, as a socket's read brings them. */
  pass(body: TapBody, length: number, mark: number): void {
    const lease = this.slab.lease();
    lease.bytes.fill(mark, 0, length);
    this.passChunk(body, lease.view(0, length));
    lease.release();
  }

  passChunk(body: TapBody, chunk: BodyChunk): void {
    const data = new BodyBuffer();
    data.append(chunk);
    chunk.release();
    body.add(data);
    data.clear();
  }

  send(body: TapBody, headers: readonly string[] = []): boolean {
    const places = body.close();
    const message = [headers, [], -1, body.isTruncated, places] as const;
    const record: TapRecord = ["binary", "/x", "1", message, null, null];
    const isSent = this.ring.send(record, body.chunks);
    body.release();
    return isSent;
  }

  /** The bodies that arrived, as runs of equal bytes; their chunks are let go. */
  received(): string[] {
    const bodies: string[] = [];
    this.#consumer.drain((bytes, start, end) => {
      const [, , , [, , , , places]] = unpackRecord(
        Buffer.from(bytes.subarray(start, end)),
      ) as TapRecord;
      const pieces: Buffer[] = [];
      for (let i = 0; i < places.length; i += 2) {
        pieces.push(Buffer.from(this.holder.bytes(places[i] ?? 0, places[i + 1] ?? 0)));
        this.holder.release(places[i] ?? 0);
      }
      bodies.push(runs(Buffer.concat(pieces)));
    });
    return bodies;
  }
}

/** `3a 2b` for aaabb. */
function runs(bytes: Buffer): string {
  const found: string[] = [];
  let start = 0;
  for (let at = 1; at <= bytes.length; at++) {
    if (at < bytes.length && bytes[at] === bytes[start]) continue;
    found.push(`${at - start}${String.fromCharCode(bytes[start] ?? 0)}`);
    start = at;
  }
  return found.join(" ");
}

test("short and long pieces arrive whole, in order and cut where the tap says", () => {
  const fixture = new Fixture(16);
  const body = new TapBody(fixture.ring, 200_000);
  fixture.pass(body, 10, 97);
  fixture.pass(body, 60_000, 98);
  fixture.passChunk(body, BodyChunk.ofHeap(Buffer.alloc(100_000, 99)));
  fixture.pass(body, 30_000, 100);
  assert.equal(body.isTruncated, false);
  fixture.pass(body, 20_000, 101);
  assert.equal(body.isTruncated, true);
  assert.equal(fixture.send(body), true);
  assert.deepEqual(fixture.received(), ["10a 60000b 100000c 30000d 9990e"]);
});

test("a body of exactly the limit is not truncated, and one of nothing has no piece", () => {
  const fixture = new Fixture(4);
  const body = new TapBody(fixture.ring, 5);
  fixture.pass(body, 5, 97);
  assert.equal(body.isTruncated, false);
  fixture.send(body);
  const none = new TapBody(fixture.ring, 0);
  fixture.pass(none, 1, 97);
  assert.equal(none.isTruncated, true);
  fixture.send(none);
  assert.deepEqual(fixture.received(), ["5a", ""]);
});

test("chunks are free again when they are written, or the stream does not match", () => {
  const fixture = new Fixture(8);
  for (let round = 0; round < 100; round++) {
    const bodies = [0, 1].map(() => new TapBody(fixture.ring, 1_000_000));
    for (const body of bodies) {
      fixture.pass(body, 50_000, 97);
      fixture.pass(body, 100, 98);
    }
    const [written, unmatched] = bodies as [TapBody, TapBody];
    fixture.send(written);
    unmatched.release();
    assert.deepEqual(fixture.received(), ["50000a 100b"]);
  }
  fixture.slab.sweepHeld();
  assert.deepEqual([fixture.slab.leasedCount, fixture.slab.heapLeaseCount], [1, 0]);
});

test("a trace for which the slab has no room is lost as a whole, and keeps nothing", () => {
  const fixture = new Fixture(2);
  const body = new TapBody(fixture.ring, 1_000_000);
  fixture.pass(body, 50_000, 97);
  // The second one is in use while it passes, so that there is none for a copy.
  fixture.pass(body, 100, 98);
  assert.equal(body.isLost, true);
  fixture.pass(body, 50_000, 97);
  body.release();
  assert.equal(fixture.slab.leasedCount, 1);
});

test("taps keep no more chunks than they may, those that wait to be written among them", () => {
  const max = LIMITS.tapChunksCount;
  const fixture = new Fixture(max + 8);
  const body = new TapBody(fixture.ring, Number.MAX_SAFE_INTEGER);
  for (let i = 0; i < max; i++) fixture.pass(body, 20_000, 97);
  assert.equal(body.isLost, false);
  assert.equal(fixture.send(body), true);
  const next = new TapBody(fixture.ring, 1_000);
  fixture.pass(next, 1, 97);
  assert.equal(next.isLost, true);
  fixture.received();
  const later = new TapBody(fixture.ring, 1_000);
  fixture.pass(later, 1, 97);
  assert.equal(later.isLost, false);
});

test("a full ring refuses a trace, and its chunks are not held", () => {
  const fixture = new Fixture(64);
  const headers = ["x-long", "x".repeat(500_000)];
  let sent = 0;
  for (;;) {
    const body = new TapBody(fixture.ring, 100_000);
    fixture.pass(body, 50_000, 97);
    if (!fixture.send(body, headers)) break;
    sent++;
  }
  assert.ok(sent >= 6 && sent <= 8, `${sent} fit`);
  assert.equal(fixture.slab.heldCount, sent);
  assert.equal(fixture.received().length, sent);
  fixture.slab.sweepHeld();
  assert.equal(fixture.slab.leasedCount, 1);
});
