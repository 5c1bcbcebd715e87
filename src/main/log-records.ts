/**
 * Takes access-log records out of the silos' rings and gives their lines to the sinks. A record is
 * unpacked only when it does not begin as the one before in its ring: most go to the same file.
 */
import { unpackRecord } from "../base/msgpack.ts";
import type { RingSet } from "../shm/ring.ts";
import { LINE_LENGTH_BYTES, type LogRecord } from "../silo/log-ring.ts";
import type { LogSinks, SinkKey } from "../silo/log-sinks.ts";

const NO_HEAD = Buffer.alloc(0);

/** Thread: the rings' one consumer. */
export class LogRecords {
  readonly #rings: RingSet;
  readonly #sinks: LogSinks;
  /** What is before the line's length in records for `#key`. */
  #head = NO_HEAD;
  #key: SinkKey = "";
  readonly #onRecord = (_ring: number, bytes: Buffer, start: number, end: number): void =>
    this.#take(bytes, start, end);

  constructor(rings: RingSet, sinks: LogSinks) {
    this.#rings = rings;
    this.#sinks = sinks;
  }

  /** Everything that lies in the rings goes to the files. @returns how many records it was */
  write(): number {
    const count = this.#rings.drain(this.#onRecord);
    this.#sinks.flush();
    return count;
  }

  #take(bytes: Buffer, start: number, end: number): void {
    if (!this.#isForTheSame(bytes, start, end) && !this.#unpack(bytes, start, end)) return;
    const line = start + this.#head.length + LINE_LENGTH_BYTES;
    this.#sinks.append(this.#key, bytes, line, end);
  }

  #isForTheSame(bytes: Buffer, start: number, end: number): boolean {
    const head = this.#head;
    if (head.length === 0 || end - start < head.length + LINE_LENGTH_BYTES) return false;
    for (let i = 0; i < head.length; i++) if (bytes[start + i] !== head[i]) return false;
    return true;
  }

  /** @returns whether the record has a line, and `#head` and `#key` are of its sink */
  #unpack(bytes: Buffer, start: number, end: number): boolean {
    const record = Buffer.from(bytes.subarray(start, end));
    const [key, line] = unpackRecord(record) as LogRecord;
    if (line === null) {
      this.#sinks.retire(key);
      return false;
    }
    this.#head = record.subarray(0, record.length - line.byteLength - LINE_LENGTH_BYTES);
    this.#key = key;
    return true;
  }
}
