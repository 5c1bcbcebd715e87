/**
 * The regions of what plugins share, made once by main and opened by every thread: shared data,
 * shared queues, and the owners of their locks. The regions live as long as the process, so what is
 * in them outlives VMs and silos.
 */
import type { Clock } from "../base/clock.ts";
import { LIMITS } from "../base/limits.ts";
import { type OwnerId, Owners } from "./owners.ts";
import { QueueSeat } from "./queue-seat.ts";
import { SharedData } from "./shared-data.ts";
import { createSharedDataRegion } from "./shared-data-layout.ts";
import { SharedNames } from "./shared-names.ts";
import { createSharedQueuesRegion } from "./shared-queues-layout.ts";
import type { FullPolicy, TableOptions } from "./shared-table.ts";

export interface SharedRegions {
  readonly owners: SharedArrayBuffer;
  readonly data: SharedArrayBuffer;
  readonly queues: SharedArrayBuffer;
  readonly policy: FullPolicy;
}

/** What a thread needs to open them. */
export interface SharedSeat extends SharedRegions {
  /** Its number among the owners of locks. */
  readonly self: OwnerId;
  /** Where it is told of items in queues; a thread that replaces another sits on its seat. */
  readonly seat: number;
}

/** Thread: main, or a test of its own. */
export function createSharedRegions(options: {
  readonly dataBytes: number;
  readonly queueBytes: number;
  readonly policy: FullPolicy;
  readonly random: () => number;
}): SharedRegions {
  return {
    owners: new Owners().region,
    data: createSharedDataRegion(options.dataBytes, options.random),
    queues: createSharedQueuesRegion(options.queueBytes),
    policy: options.policy,
  };
}

/** One thread's objects over the regions. */
export class SharedState {
  readonly data: SharedData;
  readonly queues: QueueSeat;
  readonly #spaces: SharedNames;

  constructor(seat: SharedSeat, clock: Clock) {
    const party = { owners: new Owners(seat.owners), self: seat.self, clock };
    const options: TableOptions = { ...party, region: seat.data, policy: seat.policy };
    this.data = new SharedData(options);
    this.#spaces = new SharedNames(options, "spaces");
    this.queues = new QueueSeat(
      { region: seat.queues, seat: seat.seat },
      party,
      new SharedNames(options, "queues", LIMITS.sharedQueuesCount + 1),
    );
  }

  /** The namespace of a `vm_id`, the same on every thread; 0 when there is no room for it. */
  spaceOf(vmId: string): number {
    return this.#spaces.numberOf(Buffer.from(vmId));
  }
}

/**
 * A state that no other thread sees, and that takes no memory before it is used: most plugins share
 * nothing, and each trial start has a state of its own.
 */
export class PrivateSharedState {
  readonly #clock: Clock;
  readonly #bytes: number;
  #made: SharedState | null = null;

  /** @param bytes of data, and of queues */
  constructor(clock: Clock, bytes: number) {
    this.#clock = clock;
    this.#bytes = bytes;
  }

  get isUsed(): boolean {
    return this.#made !== null;
  }

  get data(): SharedData {
    return this.#state.data;
  }

  get queues(): QueueSeat {
    return this.#state.queues;
  }

  spaceOf(vmId: string): number {
    return this.#state.spaceOf(vmId);
  }

  get #state(): SharedState {
    this.#made ??= privateSharedState(this.#clock, this.#bytes);
    return this.#made;
  }
}

/** A state that no other thread sees. @param bytes of data, and of queues */
export function privateSharedState(clock: Clock, bytes: number): SharedState {
  const regions = createSharedRegions({
    dataBytes: bytes,
    queueBytes: bytes,
    policy: "refuse",
    random: () => 0.5,
  });
  return new SharedState({ ...regions, self: new Owners(regions.owners).enter(), seat: 0 }, clock);
}
