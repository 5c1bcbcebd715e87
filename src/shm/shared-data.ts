/**
 * Shared data of plugins: values by namespace and key that every thread of the process sees, with
 * CAS numbers. What a call found is left in `bytes` and `cas` until the next call. Source: ABI 3.8;
 * removal, expiry, listing and adding are Granary's own.
 * @hot per-hostcall
 */
import type { Clock } from "../base/clock.ts";
import { LIMITS } from "../base/limits.ts";
import type { OwnerId } from "./owners.ts";
import { ENTRY, INTERNAL_SPACE } from "./shared-data-layout.ts";
import { SharedTable, type TableOptions } from "./shared-table.ts";

/** What an operation came to. */
export const SHARED = {
  done: 0,
  absent: 1,
  casMismatch: 2,
  /** Over a limit: the key, the value, or the memory of all. Counted. */
  full: 3,
  /** The value is no 8-byte counter. */
  wrongKind: 4,
  /** The lock was not to be had within its bound. Counted. */
  busy: 5,
} as const;

/** Between two searches of the whole table for expired entries. */
const RECLAIM_MS = 1_000;
/** Up to so many bytes are copied one by one, without a call. */
const SMALL_COPY = 64;

/** Thread: any; one object per thread. */
export class SharedData {
  /** The value that was found is the first `length` bytes of this copy, until the next call. */
  bytes: Buffer = Buffer.alloc(1_024);
  length = 0;
  /** Its CAS number, or that of the value just stored; never 0. */
  cas = 0;
  readonly #table: SharedTable;
  readonly #clock: Clock;
  #reclaimedMs = Number.NEGATIVE_INFINITY;

  constructor(options: TableOptions) {
    this.#table = new SharedTable(options);
    this.#clock = options.clock;
  }

  /** Copies the value of `key` to `bytes`. */
  get(space: number, key: Uint8Array): number {
    const table = this.#table;
    if (!this.#enter(space, key)) return SHARED.busy;
    const isFound = table.found !== 0;
    if (isFound) {
      table.touch();
      this.#copyOut();
    }
    table.leave();
    return isFound ? SHARED.done : SHARED.absent;
  }

  /** Stores a copy of `value`. @param cas 0 = whatever is there; else only over this number. */
  set(space: number, key: Uint8Array, value: Uint8Array, cas: number): number {
    const table = this.#table;
    if (key.length > LIMITS.sharedKeyBytes) return SHARED.full;
    if (value.length > LIMITS.sharedValueBytes) return SHARED.full;
    if (!this.#enter(space, key)) return SHARED.busy;
    let result: number = SHARED.done;
    if (cas !== 0 && table.found !== 0 && (table.get(ENTRY.cas) ^ cas) !== 0) {
      result = SHARED.casMismatch;
    } else if (table.put(space, key, value)) this.cas = table.get(ENTRY.cas) >>> 0;
    else result = SHARED.full;
    table.leave();
    if (result === SHARED.full && this.#reclaimDue()) return this.set(space, key, value, cas);
    return result;
  }

  remove(space: number, key: Uint8Array): number {
    const table = this.#table;
    if (!this.#enter(space, key)) return SHARED.busy;
    const isFound = table.found !== 0;
    if (isFound) table.drop();
    table.leave();
    return isFound ? SHARED.done : SHARED.absent;
  }

  /** The entry is gone `ttlMs` from now, 0 = never. Later values of the key keep the expiry. */
  expire(space: number, key: Uint8Array, ttlMs: number): number {
    const table = this.#table;
    const wallMs = ttlMs === 0 ? 0 : this.#clock.wallMs() + ttlMs;
    if (!this.#enter(space, key)) return SHARED.busy;
    const isFound = table.found !== 0;
    if (isFound) table.setExpiry(wallMs);
    table.leave();
    return isFound ? SHARED.done : SHARED.absent;
  }

  /**
   * Adds to a signed 64-bit little-endian counter, which starts at 0; overflow wraps. `bytes` and
   * `cas` are what it has now.
   */
  add(space: number, key: Uint8Array, delta: bigint): number {
    const table = this.#table;
    if (key.length > LIMITS.sharedKeyBytes) return SHARED.full;
    if (!this.#enter(space, key)) return SHARED.busy;
    let result: number = SHARED.done;
    if (table.found === 0) {
      this.bytes.writeBigInt64LE(BigInt.asIntN(64, delta));
      if (!table.put(space, key, this.bytes.subarray(0, 8))) result = SHARED.full;
    } else if (table.get(ENTRY.valueBytes) !== 8) result = SHARED.wrongKind;
    else {
      table.touch();
      table.addToValue(delta);
    }
    if (result === SHARED.done) this.#copyOut();
    table.leave();
    return result;
  }

  /** Keys that begin with `prefix`, at most `countMax` of them with at most `bytesMax` bytes. */
  list(space: number, prefix: Uint8Array, max: { count: number; bytes: number }): Uint8Array[] {
    const keys: Uint8Array[] = [];
    let bytes = 0;
    this.#table.scan(space, (key) => {
      if (!startsWith(key, prefix)) return true;
      bytes += key.length;
      if (bytes > max.bytes) return false;
      keys.push(Uint8Array.from(key));
      return keys.length < max.count;
    });
    return keys;
  }

  /** Stripes that the dead thread held and that are whole again. Thread: main. */
  recover(owner: OwnerId): number {
    return this.#table.recover(owner);
  }

  /** Granary's own namespaces are not for plugins. */
  #enter(space: number, key: Uint8Array): boolean {
    return space >= INTERNAL_SPACE.count && this.#table.enter(space, key);
  }

  /** Takes expired entries out of all stripes; rarely, because it looks at every bucket. */
  #reclaimDue(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#reclaimedMs < RECLAIM_MS) return false;
    this.#reclaimedMs = nowMs;
    return this.#table.reclaim() > 0;
  }

  #copyOut(): void {
    const table = this.#table;
    const length = table.get(ENTRY.valueBytes);
    if (length > this.bytes.length) this.bytes = Buffer.alloc(2 * length);
    const at = table.valueAt();
    const source = table.heap.bytes;
    const target = this.bytes;
    if (length > SMALL_COPY) source.copy(target, 0, at, at + length);
    else for (let i = 0; i < length; i++) target[i] = source[at + i] as number;
    this.length = length;
    this.cas = table.get(ENTRY.cas) >>> 0;
  }
}

function startsWith(key: Uint8Array, prefix: Uint8Array): boolean {
  if (prefix.length > key.length) return false;
  for (let i = 0; i < prefix.length; i++) if (key[i] !== prefix[i]) return false;
  return true;
}
