/**
 * The way of access-log lines to the thread that writes them: a ring of this silo. A full ring
 * drops the line and counts it, or by choice lets this thread wait shortly for room first; it never
 * grows.
 * @hot per-request
 */
import { packRecord } from "../base/msgpack.ts";
import type { Counter } from "../metrics/types.ts";
import { Bells } from "../shm/bells.ts";
import { RingProducer } from "../shm/ring.ts";
import type { LineSink, SinkKey } from "./log-sinks.ts";

/** What happens to a line for which the ring has no room. */
export type LogFullPolicy = "drop" | "block";

export interface LogRingBoot {
  readonly ring: SharedArrayBuffer;
  /** Word 0 is the writer's bell. */
  readonly bells: SharedArrayBuffer;
  readonly policy: LogFullPolicy;
}

/** A record: the sink and a line for it; null = no configuration names the sink any more. */
export type LogRecord = readonly [key: SinkKey, line: string | null];

export const WRITER_BELL = 0;
/** A silo that waits serves nobody; after this much the line is dropped. */
const WAIT_MS = 1_000;

/** Thread: the silo's. */
export class LogRing {
  readonly #producer: RingProducer;
  readonly #blocks: boolean;
  readonly #dropped: Counter;

  constructor(boot: LogRingBoot, dropped: Counter) {
    const bells = new Bells(new Int32Array(boot.bells));
    this.#producer = new RingProducer(boot.ring, bells, WRITER_BELL);
    this.#blocks = boot.policy === "block";
    this.#dropped = dropped;
  }

  sink(key: SinkKey): LineSink {
    return new RingSink(this, key);
  }

  send(record: LogRecord): void {
    const bytes = packRecord(record);
    const length = bytes.byteLength;
    const isSent = this.#blocks
      ? this.#producer.writeOrWait(bytes, length, WAIT_MS)
      : this.#producer.write(bytes, length);
    if (!isSent) this.#dropped.inc();
  }
}

class RingSink implements LineSink {
  readonly #ring: LogRing;
  readonly #key: SinkKey;

  constructor(ring: LogRing, key: SinkKey) {
    this.#ring = ring;
    this.#key = key;
  }

  write(line: string): void {
    this.#ring.send([this.#key, line]);
  }

  flush(): void {
    // The writer flushes: when time is due, when files are reopened, and at its end.
  }

  reopen(): void {
    // Main tells the writer itself.
  }

  retire(): void {
    this.#ring.send([this.#key, null]);
  }
}
