/**
 * Names that become small numbers, the same on every thread and for the life of the process: the
 * namespaces of shared data (vm_id) and the shared queues. They lie in the table of shared data
 * under namespaces of Granary's own and are never removed or evicted.
 */
import { attachSharedData, ENTRY, INTERNAL_SPACE } from "./shared-data-layout.ts";
import { SharedTable, type TableOptions } from "./shared-table.ts";
import { SPACES_MAX } from "./table-entries.ts";

type NameKind = Exclude<keyof typeof INTERNAL_SPACE, "count">;

/** Thread: any; one object per thread. */
export class SharedNames {
  readonly #table: SharedTable;
  readonly #counters: Int32Array;
  readonly #kind: number;
  readonly #max: number;

  /** @param max greatest number that may be given */
  constructor(options: TableOptions, kind: NameKind, max = SPACES_MAX) {
    this.#table = new SharedTable(options);
    const { names } = attachSharedData(options.region).fields;
    this.#counters = new Int32Array(options.region, names.offset, names.count);
    this.#kind = INTERNAL_SPACE[kind];
    this.#max = max;
  }

  /** The number of `name`, from 2 on, given now if it had none; 0 when none is left. */
  numberOf(name: Uint8Array): number {
    const table = this.#table;
    if (!table.enter(this.#kind, name)) return 0;
    let number = this.#found();
    if (number === 0) {
      number = Atomics.add(this.#counters, this.#kind, 1) + 1;
      const value = Buffer.alloc(4);
      value.writeUInt32LE(number >>> 0);
      if (number > this.#max || !table.put(this.#kind, name, value)) number = 0;
    }
    table.leave();
    return number;
  }

  /** The number of `name`, or 0. */
  find(name: Uint8Array): number {
    if (!this.#table.enter(this.#kind, name)) return 0;
    const number = this.#found();
    this.#table.leave();
    return number;
  }

  #found(): number {
    const table = this.#table;
    if (table.found === 0 || table.get(ENTRY.valueBytes) !== 4) return 0;
    return table.heap.bytes.readUInt32LE(table.valueAt());
  }
}
