/**
 * Chooses an endpoint. A picker is made for one set of endpoints and never changes it; when the set
 * changes, the cluster takes a new picker. Only cursors move. Owned by one silo.
 * @hot per-request
 */
import type { ClusterConfig } from "../config/types.ts";
import type { EndpointCounts } from "./stats.ts";
import { WeightedQueue } from "./weighted-queue.ts";

/** What a picker looks at. */
interface Pickable {
  readonly info: { readonly address: string };
  /** 1 or more. */
  readonly weight: number;
  readonly counts: EndpointCounts;
}

export interface PickerOptions {
  readonly policy: ClusterConfig["lbPolicy"];
  /** How many endpoints LEAST_REQUEST compares, 2 or more. */
  readonly choiceCount: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** Draws that may hit an endpoint tried before, until the rest is searched in order. */
const REDRAWS = 4;

export class Picker<E extends Pickable> {
  readonly endpoints: readonly E[];
  readonly #choose: Choice;
  readonly #random: () => number;

  constructor(endpoints: readonly E[], options: PickerOptions) {
    this.endpoints = endpoints;
    this.#random = options.random;
    this.#choose = createChoice(endpoints, options);
  }

  /**
   * The endpoint for one attempt; null when there is none.
   * @param tried addresses to be avoided where others exist
   */
  pick(tried: readonly string[]): E | null {
    const endpoints = this.endpoints;
    if (endpoints.length === 0) return null;
    const first = endpoints[this.#choose.next()] as E;
    if (tried.length === 0 || !tried.includes(first.info.address)) return first;
    for (let i = 0; i < REDRAWS; i++) {
      const other = endpoints[this.#choose.next()] as E;
      if (!tried.includes(other.info.address)) return other;
    }
    const start = Math.floor(this.#random() * endpoints.length);
    for (let i = 0; i < endpoints.length; i++) {
      const other = endpoints[(start + i) % endpoints.length] as E;
      if (!tried.includes(other.info.address)) return other;
    }
    return first;
  }
}

/** Gives indexes into a fixed, non-empty list. */
interface Choice {
  next(): number;
}

function createChoice(endpoints: readonly Pickable[], options: PickerOptions): Choice {
  const weights = endpoints.map((endpoint) => endpoint.weight);
  const even = weights.every((weight) => weight === weights[0]);
  switch (options.policy) {
    case "roundRobin":
      return even ? new EvenRoundRobin(weights.length, options.random) : new WeightedQueue(weights);
    case "leastRequest":
      return new LeastRequest(endpoints, createDraw(weights, even, options.random), options);
    case "random":
      return createDraw(weights, even, options.random);
  }
}

function createDraw(weights: readonly number[], even: boolean, random: () => number): Choice {
  return even ? new EvenDraw(weights.length, random) : new WeightedDraw(weights, random);
}

class EvenRoundRobin implements Choice {
  readonly #count: number;
  #cursor: number;

  /** Starts at random, so that silos (and proxies) do not all begin with the first endpoint. */
  constructor(count: number, random: () => number) {
    this.#count = count;
    this.#cursor = Math.floor(random() * count);
  }

  next(): number {
    const index = this.#cursor;
    this.#cursor = index + 1 >= this.#count ? 0 : index + 1;
    return index;
  }
}

class EvenDraw implements Choice {
  readonly #count: number;
  readonly #random: () => number;

  constructor(count: number, random: () => number) {
    this.#count = count;
    this.#random = random;
  }

  next(): number {
    return Math.floor(this.#random() * this.#count);
  }
}

class WeightedDraw implements Choice {
  /** Entry i is the sum of the weights 0..i. */
  readonly #sums: Float64Array;
  readonly #random: () => number;

  constructor(weights: readonly number[], random: () => number) {
    this.#sums = new Float64Array(weights.length);
    this.#random = random;
    let sum = 0;
    for (let i = 0; i < weights.length; i++) {
      sum += weights[i] as number;
      this.#sums[i] = sum;
    }
  }

  next(): number {
    const sums = this.#sums;
    const point = this.#random() * (sums[sums.length - 1] as number);
    let low = 0;
    let high = sums.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((sums[middle] as number) > point) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/**
 * Draws `choiceCount` endpoints by weight and takes the one with the fewest running requests per
 * weight; the first drawn wins a tie, so idle endpoints are used in proportion to their weights.
 */
class LeastRequest implements Choice {
  readonly #endpoints: readonly Pickable[];
  readonly #draw: Choice;
  readonly #choiceCount: number;

  constructor(endpoints: readonly Pickable[], draw: Choice, options: PickerOptions) {
    this.#endpoints = endpoints;
    this.#draw = draw;
    this.#choiceCount = options.choiceCount;
  }

  next(): number {
    let best = this.#draw.next();
    let bestLoad = this.#loadOf(best);
    for (let i = 1; i < this.#choiceCount; i++) {
      const other = this.#draw.next();
      const load = this.#loadOf(other);
      if (load < bestLoad) {
        best = other;
        bestLoad = load;
      }
    }
    return best;
  }

  #loadOf(index: number): number {
    const endpoint = this.#endpoints[index] as Pickable;
    return endpoint.counts.rqActive / endpoint.weight;
  }
}
