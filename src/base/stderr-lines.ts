/**
 * Whole lines on a descriptor that may be non-blocking: Node makes stderr so where it is a pipe or
 * a socket. A reader that is slow for a moment is waited for; one that stands still costs one wait,
 * and then lines until it reads again. How many is told. Thread: any, each has its own.
 */
import { writeSync } from "node:fs";

/** The waits for a reader, in all until it takes a line again. */
const WAIT_MS_MAX = 100;
const WAIT_MS = 1;
const NEWLINE = Buffer.from("\n", "latin1");

/** Waits on a word that nobody changes. */
const asleep = new Int32Array(new SharedArrayBuffer(4));
const sleep = (ms: number): void => {
  Atomics.wait(asleep, 0, 0, ms);
};

/** As `fs.writeSync`: @returns the bytes taken; throws where there is no room, or no reader. */
export type WriteBytes = (bytes: Uint8Array) => number;

export class LineWriter {
  readonly #write: WriteBytes;
  readonly #sleep: (ms: number) => void;
  #waitedMs = 0;
  #lost = 0;
  /** The last line was cut: what follows must begin a new one. */
  #torn = false;

  constructor(write: WriteBytes, wait: (ms: number) => void = sleep) {
    this.#write = write;
    this.#sleep = wait;
  }

  /** @param line with its line break */
  line(line: string): void {
    if (this.#torn && this.#all(NEWLINE) > 0) this.#torn = false;
    if (!this.#torn && this.#lost > 0) {
      const told = Buffer.from(`${this.#lost} log line(s) lost: nobody read them\n`);
      if (this.#whole(told)) this.#lost = 0;
    }
    if (this.#torn || !this.#whole(Buffer.from(line))) this.#lost++;
  }

  #whole(bytes: Uint8Array): boolean {
    const taken = this.#all(bytes);
    if (taken === bytes.byteLength) return true;
    this.#torn = taken > 0;
    return false;
  }

  /** @returns how many of the bytes went out. */
  #all(bytes: Uint8Array): number {
    let taken = 0;
    while (taken < bytes.byteLength) {
      const now = this.#some(taken === 0 ? bytes : bytes.subarray(taken));
      if (now < 0) return taken;
      if (now > 0) {
        taken += now;
      } else {
        if (this.#waitedMs >= WAIT_MS_MAX) return taken;
        this.#sleep(WAIT_MS);
        this.#waitedMs += WAIT_MS;
      }
    }
    this.#waitedMs = 0;
    return taken;
  }

  /** @returns bytes taken now, 0 without room, -1 where nobody reads any more. */
  #some(bytes: Uint8Array): number {
    try {
      return this.#write(bytes);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "EAGAIN" ? 0 : -1;
    }
  }
}

const stderr = new LineWriter((bytes) => writeSync(2, bytes));

/** Writes `line`, with its line break, to stderr. A line never ends the proxy. */
export function writeStderrLine(line: string): void {
  stderr.line(line);
}
