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
  readonly #bytes: Buffer;
  readonly #bells: Bells;
  readonly #bell: number;
  #head: number;
  /** As last seen; the consumer may be further. */
  #tail: number;

  /** @param bell the consumer's */
  constructor(region: SharedArrayBuffer, bells: Bells, bell: number) {
    attachRegion(RING_LAYOUT, region);
    this.#words = new Int32Array(region);
    this.#bytes = Buffer.from(region, RECORDS, RING_BYTES);
    this.#bells = bells;
    this.#bell = bell;
    this.#head = Atomics.load(this.#words, HEAD);
    this.#tail = Atomics.load(this.#words, TAIL);
  }

  /** Appends a record of the first `length` bytes. False: it does not fit now, or never will. */
  write(record: Buffer, length: number): boolean {
    if (length > RECORD_BYTES_MAX) return false;
    const at = this.#head & MASK;
    const toEnd = RING_BYTES - at;
    const size = recordBytes(length);
    const skipped = size > toEnd ? toEnd : 0;
    if (!this.#hasRoom(skipped + size)) return false;
    const word = (RECORDS + at) >> 2;
    if (skipped > 0) this.#words[word] = WRAP | 0;
    const start = skipped > 0 ? 0 : at;
    this.#words[(RECORDS + start) >> 2] = length;
    record.copy(this.#bytes, start + LENGTH_BYTES, 0, length);
    const before = this.#head;
    this.#head = (before + skipped + size) | 0;
    // Publishes the record to RingConsumer.drain, which loads this first.
    Atomics.store(this.#words, HEAD, this.#head);
    this.#tail = Atomics.load(this.#words, TAIL);
    if (this.#tail === before) this.#bells.ring(this.#bell);
    return true;
  }

  /** As {@link write}; sleeps for at most `waitMs` until there is room. */
  writeOrWait(record: Buffer, length: number, waitMs: number): boolean {
    if (this.write(record, length)) return true;
    if (length > RECORD_BYTES_MAX) return false;
    Atomics.store(this.#words, WAITING, 1);
    const seen = Atomics.load(this.#words, TAIL);
    if (seen === this.#tail) Atomics.wait(this.#words, TAIL, seen, waitMs);
    return this.write(record, length);
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
