/**
 * The reading side of a metric region, for any thread: follows the definitions that its writer
 * appends and gives the slots behind them. Reads never wait for the writer.
 */
import { present } from "../base/assert.ts";
import { attachRegion } from "./layout.ts";
import {
  DEFINITION_HEADER_BYTES,
  METRIC_DEFINITION_BYTES,
  METRIC_KINDS,
  METRIC_LAYOUT,
  METRIC_SLOTS,
  type MetricKind,
  WITHDRAWN_OFFSET,
} from "./metric-layout.ts";

export interface MetricDefinition {
  readonly kind: MetricKind;
  readonly name: string;
  /** First slot. */
  readonly slot: number;
}

interface Known extends MetricDefinition {
  /** Word of `withdrawn`. */
  readonly state: number;
}

const decoder = new TextDecoder();

export class MetricReader {
  readonly floats: Float64Array;
  readonly bigs: BigInt64Array;
  readonly #counts: Int32Array;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #definitions: Known[] = [];
  readonly #slotByKey = new Map<string, number>();
  #cursor = 0;

  constructor(region: SharedArrayBuffer) {
    attachRegion(METRIC_LAYOUT, region);
    const { definitionCount, slots, definitions } = METRIC_LAYOUT.fields;
    this.floats = new Float64Array(region, slots.offset, METRIC_SLOTS);
    this.bigs = new BigInt64Array(region, slots.offset, METRIC_SLOTS);
    this.#counts = new Int32Array(region, definitionCount.offset, 2);
    this.#words = new Int32Array(region, definitions.offset, METRIC_DEFINITION_BYTES >> 2);
    this.#bytes = new Uint8Array(region, definitions.offset, METRIC_DEFINITION_BYTES);
    this.#view = new DataView(region, definitions.offset, METRIC_DEFINITION_BYTES);
  }

  /** Takes in what was defined since the last call. */
  refresh(): void {
    const count = Atomics.load(this.#counts, 0);
    while (this.#definitions.length < count) {
      const kind = present(METRIC_KINDS[this.#view.getUint16(this.#cursor, true)], "metric kind");
      const nameBytes = this.#view.getUint16(this.#cursor + 2, true);
      const slot = this.#view.getUint32(this.#cursor + 4, true);
      const start = this.#cursor + DEFINITION_HEADER_BYTES;
      // The decoder refuses shared memory, so the name is copied out first.
      const name = decoder.decode(Uint8Array.from(this.#bytes.subarray(start, start + nameBytes)));
      const state = (this.#cursor + WITHDRAWN_OFFSET) >> 2;
      this.#definitions.push({ kind, name, slot, state });
      this.#slotByKey.set(`${kind}:${name}`, slot);
      this.#cursor = (start + nameBytes + 3) & ~3;
    }
  }

  /** Known definitions, in the order they were made, without those that are withdrawn now. */
  get definitions(): readonly MetricDefinition[] {
    return this.#definitions.filter(({ state }) => Atomics.load(this.#words, state) === 0);
  }

  /** Known definitions, withdrawn ones too, with the word of `withdrawn` of each. */
  get all(): readonly Known[] {
    return this.#definitions;
  }

  /** Bytes that the known definitions take. */
  get definitionBytes(): number {
    return this.#cursor;
  }

  /** First slot of a known metric, or -1. */
  slotOf(kind: MetricKind, name: string): number {
    return this.#slotByKey.get(`${kind}:${name}`) ?? -1;
  }

  /** Definitions the writer refused so far. */
  get refused(): number {
    return Atomics.load(this.#counts, 1);
  }
}
