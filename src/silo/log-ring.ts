/**
 * The way of access-log lines to the thread that writes them: a ring of this silo. A full ring
 * drops the line and counts it, or by choice lets this thread wait shortly for room first; it never
 * grows.
 *
 * A record is a {@link LogRecord} as msgpackr packs it. What comes before the line is the same for
 * all records of a sink, so it is packed once, with the line as the last and longest kind of bytes
 * (bin32), and a record is made in the ring itself:
 *
 *   | array of 2 | key | bin32 | length u32, big-endian | line, latin1 |
 * @hot per-request
 */
import type { Latin1Bytes } from "../abi/latin1.ts";
import { packRecord } from "../base/msgpack.ts";
import type { Counter } from "../metrics/types.ts";
import { attachBell } from "../shm/bell-layout.ts";
import { RingProducer } from "../shm/ring.ts";
import type { LineSink, SinkKey } from "./log-sinks.ts";

/** What happens to a line for which the ring has no room. */
export type LogFullPolicy = "drop" | "block";

export interface LogRingBoot {
  readonly ring: SharedArrayBuffer;
  /** The writer's. */
  readonly bell: SharedArrayBuffer;
  readonly policy: LogFullPolicy;
}

/** A record: the sink and a line for it; null = no configuration names the sink any more. */
export type LogRecord = readonly [key: SinkKey, line: Uint8Array | null];

export const WRITER_BELL = 0;
/** Of bin32, before the line. */
export const LINE_LENGTH_BYTES = 4;
/** The shortest bytes that msgpackr packs as bin32. */
const BIN32_BYTES_MIN = 65_536;
/** A silo that waits serves nobody; after this much the line is dropped. */
const WAIT_MS = 1_000;

/** Thread: the silo's. */
export class LogRing {
  readonly #producer: RingProducer;
  readonly #bytes: Latin1Bytes;
  readonly #blocks: boolean;
  readonly #dropped: Counter;

  constructor(boot: LogRingBoot, dropped: Counter) {
    this.#producer = new RingProducer(boot.ring, attachBell(boot.bell), WRITER_BELL);
    this.#bytes = this.#producer.bytes as unknown as Latin1Bytes;
    this.#blocks = boot.policy === "block";
    this.#dropped = dropped;
  }

  sink(key: SinkKey): LineSink {
    return new RingSink(this, key);
  }

  /** @param head of the sink's records, without the line's length */
  writeLine(head: Buffer, line: string): void {
    const { length } = line;
    const start = this.#begin(head.length + LINE_LENGTH_BYTES + length);
    if (start < 0) return;
    const bytes = this.#bytes;
    bytes.set(head, start);
    const at = start + head.length;
    bytes[at] = length >>> 24;
    bytes[at + 1] = length >>> 16;
    bytes[at + 2] = length >>> 8;
    bytes[at + 3] = length;
    bytes.latin1Write(line, at + LINE_LENGTH_BYTES, length);
    this.#producer.publish();
  }

  writeRetired(key: SinkKey): void {
    const bytes = packRecord([key, null] satisfies LogRecord);
    const start = this.#begin(bytes.byteLength);
    if (start < 0) return;
    this.#bytes.set(bytes, start);
    this.#producer.publish();
  }

  /** Where a record of `length` bytes goes; -1 = there is no room, which is counted. */
  #begin(length: number): number {
    const start = this.#blocks
      ? this.#producer.beginOrWait(length, WAIT_MS)
      : this.#producer.begin(length);
    if (start < 0) this.#dropped.inc();
    return start;
  }
}

function headOf(key: SinkKey): Buffer {
  const whole = packRecord([key, new Uint8Array(BIN32_BYTES_MIN)] satisfies LogRecord);
  return Buffer.from(whole.subarray(0, -(BIN32_BYTES_MIN + LINE_LENGTH_BYTES)));
}

class RingSink implements LineSink {
  readonly #ring: LogRing;
  readonly #key: SinkKey;
  readonly #head: Buffer;
  #isRetired = false;

  constructor(ring: LogRing, key: SinkKey) {
    this.#ring = ring;
    this.#key = key;
    this.#head = headOf(key);
  }

  write(line: string): void {
    this.#ring.writeLine(this.#head, line);
    // The writer opened the file once more.
    if (this.#isRetired) this.retire();
  }

  flush(): void {
    // Each line is in the ring already.
  }

  reopen(): void {
    // Main tells the writer itself.
  }

  retire(): void {
    this.#isRetired = true;
    this.#ring.writeRetired(this.#key);
  }
}
