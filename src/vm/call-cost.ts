/**
 * What a plugin costs: calls of its callbacks and the time they take, by callback, and hostcalls
 * that it makes, by name. Time is sampled: reading the
 * clock around each callback would cost more than many callbacks do.
 * @hot per-callback
 */
import { CALLBACK_NAMES, type CallbackName } from "../abi/callback-table.ts";
import { HOSTCALL_NAMES, type HostcallName } from "../abi/hostcall-table.ts";

/** A prime: a filter whose callbacks come in turn is measured in all of them. */
const SAMPLE_EVERY = 61;

/** One callback that was called at least once. */
export interface CallbackCost {
  readonly callback: CallbackName;
  readonly calls: number;
  /** Microseconds in all calls, extrapolated from samples of this callback. */
  readonly timeUs: number;
}

/** One hostcall that was made at least once. */
export interface HostcallCost {
  readonly hostcall: HostcallName;
  readonly calls: number;
}

export class CallCost {
  /** By index of HOSTCALL_NAMES; counted where hostcalls are linked. */
  readonly hostcalls = new Float64Array(HOSTCALL_NAMES.length);
  /** By index of CALLBACK_NAMES: calls, sampled calls, and the nanoseconds of these. */
  readonly #calls = new Float64Array(CALLBACK_NAMES.length);
  readonly #samples = new Float64Array(CALLBACK_NAMES.length);
  readonly #sampledNs = new Float64Array(CALLBACK_NAMES.length);
  /** Nanoseconds of calls that were suspended, from where they went on. */
  readonly #laterNs = new Float64Array(CALLBACK_NAMES.length);
  #untilSample = SAMPLE_EVERY;

  /** Counts a call of callback `index`; true when it is to be measured. */
  begin(index: number): boolean {
    this.#calls[index] = (this.#calls[index] ?? 0) + 1;
    this.#untilSample--;
    if (this.#untilSample > 0) return false;
    this.#untilSample = SAMPLE_EVERY;
    return true;
  }

  /** A measured call of callback `index` is over. */
  measured(index: number, ns: number): void {
    this.#samples[index] = (this.#samples[index] ?? 0) + 1;
    this.#sampledNs[index] = (this.#sampledNs[index] ?? 0) + ns;
  }

  /** A call of callback `index` that was suspended has taken `ns` more. */
  wentOn(index: number, ns: number): void {
    this.#laterNs[index] = (this.#laterNs[index] ?? 0) + ns;
  }

  /** Adds what `other` has counted, which is not told any more. */
  absorb(other: CallCost): void {
    addEach(this.hostcalls, other.hostcalls);
    addEach(this.#calls, other.#calls);
    addEach(this.#samples, other.#samples);
    addEach(this.#sampledNs, other.#sampledNs);
    addEach(this.#laterNs, other.#laterNs);
  }

  get calls(): number {
    return this.#calls.reduce((sum, calls) => sum + calls, 0);
  }

  /** Milliseconds of all callbacks, extrapolated. */
  get timeMs(): number {
    return this.byCallback().reduce((sum, { timeUs }) => sum + timeUs, 0) / 1_000;
  }

  /** Allocates: for reports. */
  byCallback(): readonly CallbackCost[] {
    const costs: CallbackCost[] = [];
    for (const [index, callback] of CALLBACK_NAMES.entries()) {
      const calls = this.#calls[index] ?? 0;
      if (calls === 0) continue;
      const samples = this.#samples[index] ?? 0;
      const meanNs = samples === 0 ? 0 : (this.#sampledNs[index] ?? 0) / samples;
      const timeUs = (meanNs * calls + (this.#laterNs[index] ?? 0)) / 1_000;
      costs.push({ callback, calls, timeUs });
    }
    return costs;
  }

  /** Allocates: for reports. */
  byHostcall(): readonly HostcallCost[] {
    return HOSTCALL_NAMES.flatMap((hostcall, index) => {
      const calls = this.hostcalls[index] ?? 0;
      return calls === 0 ? [] : [{ hostcall, calls }];
    });
  }
}

function addEach(sums: Float64Array, values: Float64Array): void {
  for (let index = 0; index < sums.length; index++) {
    sums[index] = (sums[index] ?? 0) + (values[index] ?? 0);
  }
}
