/**
 * Main's part in what plugins share: makes the regions, gives each silo its number among the owners
 * of locks, and makes whole what a silo held when it died. Thread: main.
 */
import { randomBytes } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import { type SharedDataStats, sharedDataStats } from "../metrics/catalogue.ts";
import type { Counter, MetricScope } from "../metrics/types.ts";
import { HeapStatsReader } from "../shm/heap-stats.ts";
import { type OwnerId, Owners } from "../shm/owners.ts";
import { attachSharedData } from "../shm/shared-data-layout.ts";
import {
  createSharedRegions,
  type SharedRegions,
  type SharedSeat,
  SharedState,
} from "../shm/shared-state.ts";
import type { FullPolicy } from "../shm/shared-table.ts";

export class SharedMemory {
  readonly #regions: SharedRegions;
  readonly #owners: Owners;
  readonly #state: SharedState;
  readonly #dataStats: HeapStatsReader;
  /** Number of the silo that sits on each index. */
  readonly #seats = new Map<number, OwnerId>();

  constructor(options: { readonly dataBytes: number; readonly policy: FullPolicy }, clock: Clock) {
    this.#regions = createSharedRegions({ ...options, random: secretRandom });
    this.#owners = new Owners(this.#regions.owners);
    this.#state = new SharedState({ ...this.#regions, self: this.#owners.enter() }, clock);
    const { fields } = attachSharedData(this.#regions.data);
    this.#dataStats = new HeapStatsReader(this.#regions.data, fields);
  }

  /** What the next silo on seat `index` gets. */
  seat(index: number): SharedSeat {
    const self = this.#owners.enter();
    this.#seats.set(index, self);
    return { ...this.#regions, self };
  }

  /** The thread of silo `index` is gone: its locks are recovered. */
  retire(index: number): void {
    const owner = this.#seats.get(index);
    if (owner === undefined) return;
    this.#seats.delete(index);
    this.#owners.died(owner);
    this.#state.data.recover(owner);
    this.#owners.leave(owner);
  }

  /** The stats of what is shared, and how to bring them up to date. */
  metrics(root: MetricScope): () => void {
    const stats = sharedDataStats(root);
    return () => report(stats, this.#dataStats);
  }
}

function report(stats: SharedDataStats, reader: HeapStatsReader): void {
  const now = reader.read();
  stats.entries.set(now.entries);
  stats.bytes_used.set(now.bytesUsed);
  stats.bytes_claimed.set(now.bytesClaimed);
  raise(stats.refused, now.refused);
  raise(stats.evicted, now.evicted);
  raise(stats.expired, now.expired);
  raise(stats.lock_timeouts, now.busy);
  raise(stats.locks_recovered, now.repaired);
}

/** Keys are hashed under a secret that no client can guess. */
function secretRandom(): number {
  return randomBytes(4).readUInt32LE() / 2 ** 32;
}

/** Brings a counter up to a total that somebody else counts. */
function raise(counter: Counter, total: number): void {
  counter.add(Math.max(0, total - counter.value()));
}
