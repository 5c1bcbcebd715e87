/**
 * The regions of what plugins share, made once by main and opened by every thread: shared data and
 * the owners of its locks. The regions live as long as the process, so values outlive VMs and
 * silos.
 */
import type { Clock } from "../base/clock.ts";
import { type OwnerId, Owners } from "./owners.ts";
import { SharedData } from "./shared-data.ts";
import { createSharedDataRegion } from "./shared-data-layout.ts";
import { SharedNames } from "./shared-names.ts";
import type { FullPolicy, TableOptions } from "./shared-table.ts";

export interface SharedRegions {
  readonly owners: SharedArrayBuffer;
  readonly data: SharedArrayBuffer;
  readonly policy: FullPolicy;
}

/** What a thread needs to open them: the regions, and its number among the owners of locks. */
export interface SharedSeat extends SharedRegions {
  readonly self: OwnerId;
}

/** Thread: main, or a test of its own. */
export function createSharedRegions(options: {
  readonly dataBytes: number;
  readonly policy: FullPolicy;
  readonly random: () => number;
}): SharedRegions {
  return {
    owners: new Owners().region,
    data: createSharedDataRegion(options.dataBytes, options.random),
    policy: options.policy,
  };
}

/** One thread's objects over the regions. */
export class SharedState {
  readonly data: SharedData;
  readonly #spaces: SharedNames;

  constructor(seat: SharedSeat, clock: Clock) {
    const options: TableOptions = {
      region: seat.data,
      owners: new Owners(seat.owners),
      self: seat.self,
      clock,
      policy: seat.policy,
    };
    this.data = new SharedData(options);
    this.#spaces = new SharedNames(options, "spaces");
  }

  /** The namespace of a `vm_id`, the same on every thread; 0 when there is no room for it. */
  spaceOf(vmId: string): number {
    return this.#spaces.numberOf(Buffer.from(vmId));
  }
}

/** A state that no other thread sees. */
export function privateSharedState(clock: Clock, dataBytes: number): SharedState {
  const regions = createSharedRegions({ dataBytes, policy: "refuse", random: () => 0.5 });
  return new SharedState({ ...regions, self: new Owners(regions.owners).enter() }, clock);
}
