/**
 * Files that access-log lines are appended to: lines are gathered, and written when 64 KiB are
 * there or whoever gives them has no more for now. A pipe whose reader is late is waited for.
 * Thread: the log writer, and main for the log of the admin interface.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { Logger } from "../base/log.ts";

const BUFFER_BYTES = 65_536;
/** The waits for a reader, in all until it takes bytes again. */
const WAIT_MS_MAX = 1_000;
const WAIT_MS = 1;
const log = new Logger("main");

/** Waits on a word that nobody changes. */
const asleep = new Int32Array(new SharedArrayBuffer(4));

/** Where lines go, whoever writes them. */
export interface LineSink {
  write(line: string): void;
  flush(): void;
  /** After a rotation: goes on in a new file of the same name. */
  reopen(): void;
  /** No configuration names it any more; late lines still arrive. */
  retire(): void;
}

/** `stdout`, `stderr`, or `file:` and a path. */
export type SinkKey = string;

const FILE = "file:";

/** As `fs.writeSync`. */
export type WriteBytes = (fd: number, bytes: Uint8Array, offset: number) => number;

export class LogSink implements LineSink {
  readonly #path: string | null;
  readonly #writeBytes: WriteBytes;
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #used = 0;
  #fd: number;
  #waitedMs = 0;
  /** What is lost until bytes go out again is told once. */
  #isLosing = false;

  /** Throws when the file cannot be opened. */
  constructor(key: SinkKey, writeBytes: WriteBytes = writeSync) {
    this.#writeBytes = writeBytes;
    this.#path = key.startsWith(FILE) ? key.slice(FILE.length) : null;
    this.#fd = this.#path !== null ? openSync(this.#path, "a") : key === "stdout" ? 1 : 2;
  }

  /** Takes whole lines from `source[start, end)`. */
  append(source: Buffer, start: number, end: number): void {
    const length = end - start;
    if (length > BUFFER_BYTES - this.#used) this.flush();
    if (length > BUFFER_BYTES) {
      this.#put(source.subarray(start, end));
      return;
    }
    source.copy(this.#buffer, this.#used, start, end);
    this.#used += length;
  }

  /** A line that nothing follows for now. */
  write(line: string): void {
    const bytes = Buffer.from(line, "latin1");
    this.append(bytes, 0, bytes.length);
    this.flush();
  }

  flush(): void {
    if (this.#used === 0) return;
    const bytes = this.#buffer.subarray(0, this.#used);
    this.#used = 0;
    this.#put(bytes);
  }

  #put(bytes: Uint8Array): void {
    let written = 0;
    try {
      if (this.#fd < 0 && this.#path !== null) this.#fd = openSync(this.#path, "a");
      while (written < bytes.byteLength) written += this.#some(bytes, written);
      this.#isLosing = false;
    } catch (error) {
      const name = this.#path ?? `fd ${this.#fd}`;
      if (!this.#isLosing) log.error(`access log ${name}: lines lost: ${String(error)}`);
      this.#isLosing = true;
    }
  }

  /** @returns how many bytes went out; throws when none do, however long one waits. */
  #some(bytes: Uint8Array, from: number): number {
    try {
      const count = this.#writeBytes(this.#fd, bytes, from);
      this.#waitedMs = 0;
      return count;
    } catch (error) {
      const isFull = (error as NodeJS.ErrnoException).code === "EAGAIN";
      if (!isFull || this.#waitedMs >= WAIT_MS_MAX) throw error;
      Atomics.wait(asleep, 0, 0, WAIT_MS);
      this.#waitedMs += WAIT_MS;
      return 0;
    }
  }

  /** The file is closed between lines from now on. */
  retire(): void {
    this.flush();
    if (this.#path === null || this.#fd < 0) return;
    closeSync(this.#fd);
    this.#fd = -1;
  }

  /** After a rotation: goes on in a new file of the same name. */
  reopen(): void {
    if (this.#path === null) return;
    this.flush();
    const next = openSync(this.#path, "a");
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = next;
  }
}

/** The sinks of one thread, opened when their first line comes. */
export class LogSinks {
  readonly #sinks = new Map<SinkKey, LogSink>();

  /** Takes whole lines from `source[start, end)`. */
  append(key: SinkKey, source: Buffer, start: number, end: number): void {
    const sink = this.#sinks.get(key) ?? this.#open(key);
    sink?.append(source, start, end);
  }

  retire(key: SinkKey): void {
    this.#sinks.get(key)?.retire();
    this.#sinks.delete(key);
  }

  flush(): void {
    for (const sink of this.#sinks.values()) sink.flush();
  }

  reopen(): void {
    for (const [key, sink] of this.#sinks) {
      try {
        sink.reopen();
      } catch (error) {
        log.error(`access log ${key} goes on in the old file: ${String(error)}`);
      }
    }
  }

  #open(key: SinkKey): LogSink | null {
    try {
      const sink = new LogSink(key);
      this.#sinks.set(key, sink);
      return sink;
    } catch (error) {
      log.error(`access log ${key}: lines lost: ${String(error)}`);
      return null;
    }
  }
}
