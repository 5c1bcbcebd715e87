import assert from "node:assert/strict";
import { test } from "node:test";
import { BELL_STRIDE, Bells } from "../../../src/shm/bells.ts";
import { RingConsumer, RingProducer, RingSet } from "../../../src/shm/ring.ts";
import { createRing, RING_BYTES } from "../../../src/shm/ring-layout.ts";
import { prng } from "../../harness/prng.ts";

/** Counts the rings of a bell. */
class CountingBells extends Bells {
  rung = 0;
  constructor() {
    super(new Int32Array(new SharedArrayBuffer(4 * BELL_STRIDE)));
  }
  hurried = 0;
  override ring(): void {
    this.rung++;
  }
  override hurry(): void {
    this.hurried++;
  }
}

class Fixture {
  readonly region = createRing();
  readonly bells = new CountingBells();
  readonly producer = new RingProducer(this.region, this.bells, 0);
  readonly consumer = new RingConsumer(this.region);

  write(text: string): boolean {
    const record = Buffer.from(text, "latin1");
    return this.producer.write(record, record.length);
  }

  read(): string[] {
    const records: string[] = [];
    this.consumer.drain((bytes, start, end) => {
      records.push(bytes.toString("latin1", start, end));
    });
    return records;
  }
}

test("records of any length come out whole and in order, round after round", () => {
  const fixture = new Fixture();
  const random = prng(31);
  const sent: string[] = [];
  const got: string[] = [];
  for (let i = 0; i < 30_000; i++) {
    const text = String.fromCharCode(65 + (i % 26)).repeat(Math.floor(random() ** 3 * 3_000));
    if (fixture.write(text)) sent.push(text);
    if (random() < 0.01) got.push(...fixture.read());
  }
  got.push(...fixture.read());
  assert.ok(sent.join("").length > 4 * RING_BYTES, "it went round several times");
  assert.deepEqual(got, sent);
});

test("a full ring refuses, loses nothing, and takes records again when there is room", () => {
  const fixture = new Fixture();
  let count = 0;
  while (fixture.write("x".repeat(1_000))) count++;
  assert.equal(count, Math.floor(RING_BYTES / 1_004));
  assert.equal(fixture.read().length, count);
  assert.equal(fixture.write("y".repeat(1_000)), true);
  assert.deepEqual(fixture.read(), ["y".repeat(1_000)]);
});

test("a record that can never fit is refused", () => {
  const fixture = new Fixture();
  assert.equal(fixture.write("x".repeat(RING_BYTES / 4 + 1)), false);
  for (let i = 0; i < 10; i++) {
    assert.equal(fixture.write("x".repeat(RING_BYTES / 4)), true);
    assert.equal(fixture.read().length, 1);
  }
});

test("the consumer is woken by the first record of an empty ring, not by the next", () => {
  const fixture = new Fixture();
  for (const text of ["a", "b", "c"]) fixture.write(text);
  assert.equal(fixture.bells.rung, 1);
  fixture.read();
  fixture.write("d");
  assert.equal(fixture.bells.rung, 2);
});

test("a consumer is hurried while its ring is more than half full", () => {
  const fixture = new Fixture();
  const half = RING_BYTES / 2 / 1_024;
  for (let i = 0; i < half; i++) fixture.write("x".repeat(1_020));
  assert.equal(fixture.bells.hurried, 0);
  fixture.write("x");
  assert.equal(fixture.bells.hurried, 1);
  fixture.read();
  fixture.write("x");
  assert.equal(fixture.bells.hurried, 1);
});

test("a record that was begun and not published is none", () => {
  const fixture = new Fixture();
  fixture.write("first");
  assert.ok(fixture.producer.begin(100) >= 0);
  assert.deepEqual(fixture.read(), ["first"]);
  const start = fixture.producer.begin(6);
  fixture.producer.bytes.write("second", start, "latin1");
  fixture.producer.publish();
  assert.deepEqual(fixture.read(), ["second"]);
});

test("positions go on beyond 2^31 and 2^32 bytes", () => {
  const fixture = new Fixture();
  const words = new Int32Array(fixture.region);
  for (const start of [2 ** 31 - 2_000_000, 2 ** 32 - 2_000_000]) {
    // Both counters as after so many bytes.
    for (const word of [16, 48]) Atomics.store(words, word, start | 0);
    const producer = new RingProducer(fixture.region, fixture.bells, 0);
    const record = Buffer.alloc(50_000, 1);
    let records = 0;
    for (let i = 0; i < 300; i++) {
      if (producer.write(record, record.length)) records++;
      if (i % 7 === 0) records -= fixture.read().length;
    }
    records -= fixture.read().length;
    assert.equal(records, 0);
    assert.ok(Atomics.load(words, 16) !== (start | 0));
    let filled = 0;
    while (producer.write(record, record.length)) filled++;
    assert.ok(filled >= Math.floor(RING_BYTES / 50_004) - 1 && filled <= RING_BYTES / 50_004);
    assert.equal(fixture.read().length, filled);
  }
});

test("a successor of a producer that died goes on behind what was published", () => {
  const fixture = new Fixture();
  fixture.write("published");
  const successor = new RingProducer(fixture.region, fixture.bells, 0);
  successor.write(Buffer.from("next"), 4);
  assert.deepEqual(fixture.read(), ["published", "next"]);
});

test("a set of rings keeps the order of each producer", () => {
  const fixtures = [new Fixture(), new Fixture()];
  const set = new RingSet(fixtures.map(({ region }) => region));
  fixtures[1]?.write("b1");
  fixtures[0]?.write("a1");
  fixtures[1]?.write("b2");
  const got: string[] = [];
  const count = set.drain((ring, bytes, start, end) => {
    got.push(`${ring} ${bytes.toString("latin1", start, end)}`);
  });
  assert.deepEqual([count, got], [3, ["0 a1", "1 b1", "1 b2"]]);
});
