/**
 * Main's part in what plugins share: makes the regions, gives each silo its number among the owners
 * of locks, and makes whole what a silo held when it died. Thread: main.
 */
import { randomBytes } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import { LIMITS } from "../base/limits.ts";
import {
  type SharedDataStats,
  type SharedQueueStats,
  sharedDataStats,
  sharedQueueStats,
} from "../metrics/catalogue.ts";
import type { Counter, MetricScope } from "../metrics/types.ts";
import { createBodySlab } from "../shm/body-slab-layout.ts";
import { type HeapStats, HeapStatsReader } from "../shm/heap-stats.ts";
import { type OwnerId, Owners } from "../shm/owners.ts";
import { attachSharedData } from "../shm/shared-data-layout.ts";
import { attachSharedQueues } from "../shm/shared-queues-layout.ts";
import {
  createSharedRegions,
  type SharedRegions,
  type SharedSeat,
  SharedState,
} from "../shm/shared-state.ts";
import type { FullPolicy } from "../shm/shared-table.ts";

/** Main may register queues too; silos sit behind it. */
const MAIN_SEAT = 0;

export class SharedMemory {
  readonly #regions: SharedRegions;
  readonly #owners: Owners;
  readonly #state: SharedState;
  readonly #dataStats: HeapStatsReader;
  readonly #queueStats: HeapStatsReader;
  /** Number of the silo that sits on each seat. */
  readonly #seats = new Map<number, OwnerId>();

  readonly #bodySlabs = new Map<number, SharedArrayBuffer>();

  constructor(options: { readonly dataBytes: number; readonly policy: FullPolicy }, clock: Clock) {
    const queueBytes = LIMITS.sharedQueuesBytes;
    this.#regions = createSharedRegions({ ...options, queueBytes, random: secretRandom });
    this.#owners = new Owners(this.#regions.owners);
    const { data, queues } = this.#regions;
    const self = this.#owners.enter();
    this.#state = new SharedState({ ...this.#regions, self, seat: MAIN_SEAT }, clock);
    this.#dataStats = new HeapStatsReader(data, attachSharedData(data).fields);
    this.#queueStats = new HeapStatsReader(queues, attachSharedQueues(queues).fields);
  }

  /** What the next silo on seat `index` gets. */
  seat(index: number): SharedSeat {
    const self = this.#owners.enter();
    this.#seats.set(index, self);
    return { ...this.#regions, self, seat: MAIN_SEAT + 1 + index };
  }

  /** What silo `index` reads bodies into; outlives it, because other threads may hold chunks. */
  bodySlab(index: number): SharedArrayBuffer {
    const region = this.#bodySlabs.get(index) ?? createBodySlab(LIMITS.bodySlabBytes);
    this.#bodySlabs.set(index, region);
    return region;
  }

  /** The thread of silo `index` is gone: its locks are recovered, others are told its items. */
  retire(index: number): void {
    const owner = this.#seats.get(index);
    if (owner === undefined) return;
    this.#seats.delete(index);
    this.#owners.died(owner);
    this.#state.data.recover(owner);
    const { queues } = this.#state.queues;
    queues.recover(owner);
    queues.unseat(MAIN_SEAT + 1 + index);
    this.#owners.leave(owner);
  }

  /** The stats of what is shared, and how to bring them up to date. */
  metrics(root: MetricScope): () => void {
    const data = sharedDataStats(root);
    const queues = sharedQueueStats(root);
    return () => {
      report(data, this.#dataStats.read());
      reportQueues(queues, this.#queueStats.read());
    };
  }
}

function report(stats: SharedDataStats, now: HeapStats): void {
  stats.entries.set(now.entries);
  stats.bytes_used.set(now.bytesUsed);
  stats.bytes_claimed.set(now.bytesClaimed);
  raise(stats.refused, now.refused);
  raise(stats.evicted, now.evicted);
  raise(stats.expired, now.expired);
  raise(stats.lock_timeouts, now.busy);
  raise(stats.locks_recovered, now.repaired);
}

function reportQueues(stats: SharedQueueStats, now: HeapStats): void {
  stats.items.set(now.entries);
  stats.bytes_used.set(now.bytesUsed);
  raise(stats.dropped, now.evicted);
  raise(stats.refused, now.refused);
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
