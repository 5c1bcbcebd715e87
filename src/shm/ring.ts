/**
 * The two ends of a byte ring (see ring-layout.ts), and the consumer of many rings, one for each
 * producer. Neither end waits for the other unless it is asked to; a full ring never grows.
 * @hot per-request
 */
import { assert } from "../base/assert.ts";
import type { Bells } from "./bells.ts";
import { attachRegion } from "./layout.ts";
import { RING_BYTES, RING_LAYOUT, WRAP } from "./ring-layout.ts";

const MASK = RING_BYTES - 1;
const LENGTH_BYTES = 4;
/** A record fits whatever the position is: it and the unused rest before it take less than all. */
const RECORD_BYTES_MAX = RING_BYTES / 4;
const HEAD = RING_LAYOUT.fields.head.offset >> 2;
const TAIL = RING_LAYOUT.fields.tail.offset >> 2;
const WAITING = RING_LAYOUT.fields.waiting.offset >> 2;
const RECORDS = RING_LAYOUT.fields.records.offset;

function recordBytes(length: number): number {
  return LENGTH_BYTES + ((length + 3) & ~3);
}

/** Thread: the one producer. A successor of a dead one goes on where it had published. */
export class RingProducer {
  readonly #words: Int32Array;
  /** Where records are written between `begin` and `publish`. */
  readonly bytes: Buffer;
  readonly #bells: Bells;
  readonly #bell: number;
  #head: number;
  /** `#head` once the record that was begun is published. */
  #next: number;
  /** As last seen; the consumer may be further. */
  #tail: number;

  /** @param bell the consumer's */
  constructor(region: SharedArrayBuffer, bells: Bells, bell: number) {
    attachRegion(RING_LAYOUT, region);
    this.#words = new Int32Array(region);
    this.bytes = Buffer.from(region, RECORDS, RING_BYTES);
    this.#bells = bells;
    this.#bell = bell;
    this.#head = Atomics.load(this.#words, HEAD);
    this.#next = this.#head;
    this.#tail = Atomics.load(this.#words, TAIL);
  }

  /** Appends a record of the first `length` bytes. False: it does not fit now, or never will. */
  write(record: Buffer, length: number): boolean {
    return this.#fill(this.begin(length), record, length);
  }

  /** As {@link write}; sleeps for at most `waitMs` until there is room. */
  writeOrWait(record: Buffer, length: number, waitMs: number): boolean {
    return this.#fill(this.beginOrWait(length, waitMs), record, length);
  }

  #fill(start: number, record: Buffer, length: number): boolean {
    if (start < 0) return false;
    record.copy(this.bytes, start, 0, length);
    this.publish();
    return true;
  }

  /**
   * Begins a record of `length` bytes, which the caller writes at `bytes[start]` and publishes;
   * whoever begins another one instead has not begun this one.
   * @returns start, or -1: it does not fit now, or never will
   */
  begin(length: number): number {
    if (length > RECORD_BYTES_MAX) return -1;
    const at = this.#head & MASK;
    const toEnd = RING_BYTES - at;
    const size = recordBytes(length);
    const skipped = size > toEnd ? toEnd : 0;
    if (!this.#hasRoom(skipped + size)) return -1;
    if (skipped > 0) this.#words[(RECORDS + at) >> 2] = WRAP | 0;
    const start = skipped > 0 ? 0 : at;
    this.#words[(RECORDS + start) >> 2] = length;
    this.#next = (this.#head + skipped + size) | 0;
    return start + LENGTH_BYTES;
  }

  /** As {@link begin}; sleeps for at most `waitMs` until there is room. */
  beginOrWait(length: number, waitMs: number): number {
    const start = this.begin(length);
    if (start >= 0 || length > RECORD_BYTES_MAX) return start;
    Atomics.store(this.#words, WAITING, 1);
    const seen = Atomics.load(this.#words, TAIL);
    if (seen === this.#tail) Atomics.wait(this.#words, TAIL, seen, waitMs);
    return this.begin(length);
  }

  /** The record that was begun is whole: the consumer may read it. */
  publish(): void {
    const before = this.#head;
    this.#head = this.#next;
    // Publishes the record to RingConsumer.drain, which loads this first.
    Atomics.store(this.#words, HEAD, this.#head);
    this.#tail = Atomics.load(this.#words, TAIL);
    if (this.#tail === before) this.#bells.ring(this.#bell);
    // A consumer that rests would find the ring full.
    if (((this.#head - this.#tail) | 0) > RING_BYTES / 2) this.#bells.hurry(this.#bell);
  }

  #hasRoom(size: number): boolean {
    if (RING_BYTES - ((this.#head - this.#tail) | 0) >= size) return true;
    this.#tail = Atomics.load(this.#words, TAIL);
    return RING_BYTES - ((this.#head - this.#tail) | 0) >= size;
  }
}

/** Receives a record: `bytes[start, end)`, good until it returns. */
export type OnRecord = (bytes: Buffer, start: number, end: number) => void;

/** Thread: the one consumer. */
export class RingConsumer {
  readonly #words: Int32Array;
  readonly #bytes: Buffer;

  constructor(region: SharedArrayBuffer) {
    attachRegion(RING_LAYOUT, region);
    this.#words = new Int32Array(region);
    this.#bytes = Buffer.from(region, RECORDS, RING_BYTES);
  }

  /** Reads what lies in the ring, and what comes meanwhile; how many records it were. */
  drain(onRecord: OnRecord): number {
    let count = 0;
    let tail = Atomics.load(this.#words, TAIL);
    for (;;) {
      const head = Atomics.load(this.#words, HEAD);
      if (head === tail) return count;
      while (tail !== head) {
        const at = tail & MASK;
        const length = (this.#words[(RECORDS + at) >> 2] as number) >>> 0;
        if (length === WRAP) {
          tail = (tail + RING_BYTES - at) | 0;
          continue;
        }
        const size = recordBytes(length);
        assert(at + size <= RING_BYTES, "a record crosses the end of its ring");
        onRecord(this.#bytes, at + LENGTH_BYTES, at + LENGTH_BYTES + length);
        tail = (tail + size) | 0;
        count++;
      }
      Atomics.store(this.#words, TAIL, tail);
      if (Atomics.exchange(this.#words, WAITING, 0) === 1) Atomics.notify(this.#words, TAIL);
    }
  }
}

/** Many producers, each with a ring of its own, in order per producer. Thread: the one consumer. */
export class RingSet {
  readonly #rings: readonly RingConsumer[];

  constructor(regions: readonly SharedArrayBuffer[]) {
    this.#rings = regions.map((region) => new RingConsumer(region));
  }

  /** Reads all rings; `onRecord` gets the ring's index first. */
  drain(onRecord: (ring: number, bytes: Buffer, start: number, end: number) => void): number {
    let count = 0;
    for (const [index, ring] of this.#rings.entries()) {
      count += ring.drain((bytes, start, end) => onRecord(index, bytes, start, end));
    }
    return count;
  }
}
