/**
 * A slab allocator in shared memory, one independent half for each stripe: size classes in pages
 * that the stripe has claimed, runs of whole pages for what is bigger. Every method is called by
 * the holder of the stripe's lock. A page whose last block is freed is free for every stripe again.
 * Only the claim of a page meets other stripes, by compareExchange on its owner word.
 *
 * A thread may be killed between any two stores. The heap then has blocks that nobody refers to and
 * lists half changed; {@link StripedHeap.repair} rebuilds all of it from the references that the
 * structure over it can reach.
 * @hot per-hostcall
 */
import { assert } from "../base/assert.ts";
import {
  CLASS_BYTES,
  HEAP_PAGE_BYTES,
  LARGE_HEAD,
  LARGE_TAIL,
  PAGE,
  PAGE_UNITS,
  SHAPE,
  STRIPE,
  UNIT_BYTES,
} from "./heap-layout.ts";
import type { Field } from "./layout.ts";

const CLASS_UNITS = Int32Array.from(CLASS_BYTES, (bytes) => bytes / UNIT_BYTES);
const CLASS_BLOCKS = Int32Array.from(CLASS_BYTES, (bytes) => Math.floor(HEAP_PAGE_BYTES / bytes));
const SMALL_MAX = CLASS_BYTES[CLASS_BYTES.length - 1] ?? 0;
/** Class by units. */
const CLASS_OF = Uint8Array.from({ length: SMALL_MAX / UNIT_BYTES + 1 }, (_, units) =>
  CLASS_BYTES.findIndex((bytes) => units * UNIT_BYTES <= bytes),
);
const UNIT_WORDS = UNIT_BYTES / 4;

export interface HeapFields {
  readonly shape: Field;
  readonly pageHint: Field;
  readonly stripes: Field;
  readonly pageOwners: Field;
  readonly pageInfo: Field;
  readonly pages: Field;
}

/** Thread: any; one object per thread. */
export class StripedHeap {
  /** The whole region as words. */
  readonly words: Int32Array;
  /** The whole region as bytes. */
  readonly bytes: Buffer;
  readonly #pageCount: number;
  readonly #hint: number;
  readonly #stripes: number;
  readonly #owners: number;
  readonly #info: number;
  readonly #pages: number;

  constructor(region: SharedArrayBuffer, fields: HeapFields) {
    this.words = new Int32Array(region);
    this.bytes = Buffer.from(region);
    this.#pageCount = this.words[(fields.shape.offset >> 2) + SHAPE.pages] as number;
    this.#hint = fields.pageHint.offset >> 2;
    this.#stripes = fields.stripes.offset >> 2;
    this.#owners = fields.pageOwners.offset >> 2;
    this.#info = fields.pageInfo.offset >> 2;
    this.#pages = fields.pages.offset >> 2;
  }

  /** Index of the first word of the block `ref`; its first byte is at four times that. */
  wordOf(ref: number): number {
    return this.#pages + ref * UNIT_WORDS;
  }

  /** Index of word `word` (see STRIPE) of a stripe. */
  stripeWord(stripe: number, word: number): number {
    return this.#stripes + stripe * STRIPE.words + word;
  }

  /** A block of at least `size` bytes, or 0 when there is no room. Its bytes are undefined. */
  allocate(stripe: number, size: number): number {
    if (size > SMALL_MAX) return this.#allocateLarge(stripe, Math.ceil(size / HEAP_PAGE_BYTES));
    const words = this.words;
    const kind = CLASS_OF[(size + UNIT_BYTES - 1) >>> 5] as number;
    const list = this.stripeWord(stripe, STRIPE.partial + kind);
    let page = words[list] as number;
    if (page === 0) {
      page = this.#claim(stripe, kind, 1);
      if (page === 0) return 0;
      words.fill(0, this.#infoOf(page), this.#infoOf(page) + PAGE.words);
      this.#link(list, page);
    }
    const info = this.#infoOf(page);
    const units = CLASS_UNITS[kind] as number;
    const free = words[info + PAGE.free] as number;
    const index = free === 0 ? (words[info + PAGE.fresh] as number) : free - 1;
    const ref = page * PAGE_UNITS + index * units;
    if (free === 0) words[info + PAGE.fresh] = index + 1;
    else words[info + PAGE.free] = words[this.wordOf(ref)] as number;
    const used = (words[info + PAGE.used] as number) + 1;
    words[info + PAGE.used] = used;
    if (used === CLASS_BLOCKS[kind]) this.#unlink(list, page);
    this.#count(stripe, units);
    return ref;
  }

  /** Gives a block back. */
  release(stripe: number, ref: number): void {
    const words = this.words;
    const page = (ref / PAGE_UNITS) | 0;
    const tag = words[this.#owners + page] as number;
    assert(tag >> 8 === stripe + 1, "a block is released by another stripe");
    const kind = tag & 0xff;
    const info = this.#infoOf(page);
    if (kind === LARGE_HEAD) {
      const count = words[info + PAGE.used] as number;
      this.#count(stripe, -count * PAGE_UNITS);
      this.#freePages(page, count);
      return;
    }
    const units = CLASS_UNITS[kind] as number;
    this.#count(stripe, -units);
    const list = this.stripeWord(stripe, STRIPE.partial + kind);
    const used = words[info + PAGE.used] as number;
    words[this.wordOf(ref)] = words[info + PAGE.free] as number;
    words[info + PAGE.free] = (((ref - page * PAGE_UNITS) / units) | 0) + 1;
    words[info + PAGE.used] = used - 1;
    if (used === CLASS_BLOCKS[kind]) this.#link(list, page);
    if (used > 1) return;
    this.#unlink(list, page);
    this.#freePages(page, 1);
  }

  /**
   * Rebuilds the stripe's part of the heap: blocks in `reachable` stay, everything else is free.
   * The thread that held the lock may have been anywhere in it when it died.
   */
  repair(stripe: number, reachable: ReadonlySet<number>): void {
    const words = this.words;
    for (let kind = 0; kind < CLASS_BYTES.length; kind++) {
      words[this.stripeWord(stripe, STRIPE.partial + kind)] = 0;
    }
    words[this.stripeWord(stripe, STRIPE.units)] = 0;
    for (let page = 1; page < this.#pageCount; page++) {
      const tag = words[this.#owners + page] as number;
      if (tag >> 8 !== stripe + 1) continue;
      const kind = tag & 0xff;
      if (kind < LARGE_HEAD) this.#repairPage(stripe, page, reachable);
      else if (kind === LARGE_HEAD) this.#repairRun(stripe, page, reachable);
    }
  }

  /** Pages that stripes own. Thread: any; a moment old. */
  pagesInUse(): number {
    let count = 0;
    for (let page = 1; page < this.#pageCount; page++) {
      if (this.words[this.#owners + page] !== 0) count++;
    }
    return count;
  }

  #infoOf(page: number): number {
    return this.#info + page * PAGE.words;
  }

  #count(stripe: number, units: number): void {
    const at = this.stripeWord(stripe, STRIPE.units);
    this.words[at] = (this.words[at] as number) + units;
  }

  #link(list: number, page: number): void {
    const words = this.words;
    const first = words[list] as number;
    words[this.#infoOf(page) + PAGE.next] = first;
    words[this.#infoOf(page) + PAGE.previous] = 0;
    if (first !== 0) words[this.#infoOf(first) + PAGE.previous] = page;
    words[list] = page;
  }

  #unlink(list: number, page: number): void {
    const words = this.words;
    const next = words[this.#infoOf(page) + PAGE.next] as number;
    const previous = words[this.#infoOf(page) + PAGE.previous] as number;
    if (previous === 0) words[list] = next;
    else words[this.#infoOf(previous) + PAGE.next] = next;
    if (next !== 0) words[this.#infoOf(next) + PAGE.previous] = previous;
  }

  #allocateLarge(stripe: number, count: number): number {
    const page = this.#claim(stripe, LARGE_HEAD, count);
    if (page === 0) return 0;
    this.words[this.#infoOf(page) + PAGE.used] = count;
    this.#count(stripe, count * PAGE_UNITS);
    return page * PAGE_UNITS;
  }

  /** `count` pages in a row, or 0. */
  #claim(stripe: number, kind: number, count: number): number {
    let page = Math.max(1, Atomics.load(this.words, this.#hint));
    let left = this.#pageCount;
    while (left > 0) {
      if (page + count > this.#pageCount) {
        left -= Math.max(1, this.#pageCount - page);
        page = 1;
        if (1 + count > this.#pageCount) return 0;
        continue;
      }
      const got = this.#claimRun(page, count, ((stripe + 1) << 8) | kind);
      if (got === count) {
        Atomics.store(this.words, this.#hint, page + count);
        return page;
      }
      for (let i = got - 1; i >= 0; i--) Atomics.store(this.words, this.#owners + page + i, 0);
      left -= got + 1;
      page += got + 1;
    }
    return 0;
  }

  /** Claims from `page` on and returns how many of `count` were free. */
  #claimRun(page: number, count: number, headTag: number): number {
    const tailTag = (headTag & ~0xff) | LARGE_TAIL;
    for (let i = 0; i < count; i++) {
      const at = this.#owners + page + i;
      if (Atomics.load(this.words, at) !== 0) return i;
      const tag = i === 0 ? headTag : tailTag;
      if (Atomics.compareExchange(this.words, at, 0, tag) !== 0) return i;
    }
    return count;
  }

  /** From the last to the first: a run is never without its head. */
  #freePages(page: number, count: number): void {
    for (let i = count - 1; i >= 0; i--) Atomics.store(this.words, this.#owners + page + i, 0);
    Atomics.store(this.words, this.#hint, page);
  }

  #repairPage(stripe: number, page: number, reachable: ReadonlySet<number>): void {
    const words = this.words;
    const kind = (words[this.#owners + page] as number) & 0xff;
    const units = CLASS_UNITS[kind] as number;
    const blocks = CLASS_BLOCKS[kind] as number;
    const info = this.#infoOf(page);
    let free = 0;
    let used = 0;
    for (let index = blocks - 1; index >= 0; index--) {
      const ref = page * PAGE_UNITS + index * units;
      if (reachable.has(ref)) {
        used++;
        continue;
      }
      words[this.wordOf(ref)] = free;
      free = index + 1;
    }
    words[info + PAGE.free] = free;
    words[info + PAGE.used] = used;
    words[info + PAGE.fresh] = blocks;
    this.#count(stripe, used * units);
    if (used === 0) this.#freePages(page, 1);
    else if (used < blocks) this.#link(this.stripeWord(stripe, STRIPE.partial + kind), page);
  }

  #repairRun(stripe: number, page: number, reachable: ReadonlySet<number>): void {
    const words = this.words;
    if (reachable.has(page * PAGE_UNITS)) {
      this.#count(stripe, (words[this.#infoOf(page) + PAGE.used] as number) * PAGE_UNITS);
      return;
    }
    const tailTag = ((stripe + 1) << 8) | LARGE_TAIL;
    let count = 1;
    while (page + count < this.#pageCount && words[this.#owners + page + count] === tailTag) {
      count++;
    }
    this.#freePages(page, count);
  }
}
