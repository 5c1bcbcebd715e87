/**
 * Headers of one message: names and values in order, as latin1 strings (one code unit = one byte on
 * the wire). Names are lower-case. Request pseudo-headers (`:method`, `:path`, `:authority`,
 * `:scheme`) and `:status` are ordinary entries, as Envoy's filters see them.
 * @hot per-request
 */

/** Names that Envoy stores inline: `add` joins with "," instead of appending a second entry. */
const SINGLE_VALUED = new Set<string>([
  ":method",
  ":path",
  ":authority",
  ":scheme",
  ":status",
  "host",
  "content-length",
  "content-type",
  "user-agent",
  "x-forwarded-for",
  "x-forwarded-proto",
  "x-request-id",
  "te",
  "connection",
  "transfer-encoding",
  "expect",
  "upgrade",
  "server",
  "date",
  "accept-encoding",
  "via",
  "keep-alive",
  "proxy-connection",
  "grpc-status",
  "grpc-message",
  "grpc-timeout",
]);

/** Whether Envoy keeps one value of `name` (lower-case), to which further ones are joined. */
export function isSingleValued(name: string): boolean {
  return SINGLE_VALUED.has(name);
}

export class HeaderMap {
  #names: string[] = [];
  #values: string[] = [];
  #byteSize = 0;

  /** Number of entries, pseudo-headers and repeated names included. */
  get count(): number {
    return this.#names.length;
  }

  /** Sum of the lengths of all names and values, in bytes. */
  get byteSize(): number {
    return this.#byteSize;
  }

  nameAt(index: number): string {
    return this.#names[index] as string;
  }

  valueAt(index: number): string {
    return this.#values[index] as string;
  }

  /** Overwrites the value at `index` (0..count-1). */
  setValueAt(index: number, value: string): void {
    this.#byteSize += value.length - this.valueAt(index).length;
    this.#values[index] = value;
  }

  /** The first value of `name` (lower-case), or null when absent. */
  get(name: string): string | null {
    const index = this.indexOf(name, 0);
    return index < 0 ? null : (this.#values[index] as string);
  }

  /** All values of `name` joined with ",", or null when absent. */
  getJoined(name: string): string | null {
    let joined: string | null = null;
    for (let i = this.indexOf(name, 0); i >= 0; i = this.indexOf(name, i + 1)) {
      joined = joined === null ? this.valueAt(i) : `${joined},${this.valueAt(i)}`;
    }
    return joined;
  }

  /** Index of the first entry called `name` at or after `from`, or -1. */
  indexOf(name: string, from: number): number {
    const names = this.#names;
    for (let i = from; i < names.length; i++) if (names[i] === name) return i;
    return -1;
  }

  has(name: string): boolean {
    return this.indexOf(name, 0) >= 0;
  }

  /** Appends an entry, whatever is there already. `name` is lower-case and valid. */
  append(name: string, value: string): void {
    this.#names.push(name);
    this.#values.push(value);
    this.#byteSize += name.length + value.length;
  }

  /** Appends, or joins with "," where Envoy keeps one inline value. */
  add(name: string, value: string): void {
    if (isSingleValued(name)) this.join(name, value);
    else this.append(name, value);
  }

  /** As {@link add}, of a name that is single-valued. */
  join(name: string, value: string): void {
    const index = this.indexOf(name, 0);
    if (index < 0) this.append(name, value);
    else this.setValueAt(index, `${this.valueAt(index)},${value}`);
  }

  /** Replaces every entry of `name` by one, in the place of the first; appends it when absent. */
  set(name: string, value: string): void {
    const index = this.indexOf(name, 0);
    if (index < 0) {
      this.append(name, value);
      return;
    }
    this.setValueAt(index, value);
    this.#removeFrom(name, index + 1);
  }

  /** Removes every entry of `name`; returns whether there was one. */
  remove(name: string): boolean {
    const index = this.indexOf(name, 0);
    if (index < 0) return false;
    this.#removeFrom(name, index);
    return true;
  }

  #removeFrom(name: string, from: number): void {
    const names = this.#names;
    const values = this.#values;
    let target = from;
    for (let i = from; i < names.length; i++) {
      if (names[i] === name) {
        this.#byteSize -= name.length + (values[i] as string).length;
      } else {
        names[target] = names[i] as string;
        values[target] = values[i] as string;
        target++;
      }
    }
    // Setting the length would give the memory back, by a call out of the engine's fast code.
    for (let i = names.length; i > target; i--) {
      names.pop();
      values.pop();
    }
  }

  removeAt(index: number): void {
    this.#byteSize -= this.nameAt(index).length + this.valueAt(index).length;
    this.#names.splice(index, 1);
    this.#values.splice(index, 1);
  }

  clear(): void {
    this.#names = [];
    this.#values = [];
    this.#byteSize = 0;
  }

  clone(): HeaderMap {
    const copy = new HeaderMap();
    copy.#names = this.#names.slice();
    copy.#values = this.#values.slice();
    copy.#byteSize = this.#byteSize;
    return copy;
  }

  /** A map of the given entries, in order (tests, local replies). */
  static of(entries: readonly (readonly [string, string])[]): HeaderMap {
    const map = new HeaderMap();
    for (const [name, value] of entries) map.append(name, value);
    return map;
  }

  /** The entries in order; allocates, not for the hot way. */
  entries(): [string, string][] {
    return this.#names.map((name, i) => [name, this.valueAt(i)]);
  }
}
