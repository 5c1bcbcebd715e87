/**
 * Files that access-log lines are appended to: lines are gathered and written once a second or when
 * 64 KiB are there, as Envoy does; standard output and error get each turn's lines at once.
 * Thread: the log writer, and main for the log of the admin interface.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import type { Clock, Timer } from "../base/clock.ts";
import { Logger } from "../base/log.ts";

const FLUSH_MS = 1000;
const FLUSH_BYTES = 65_536;
const log = new Logger("main");

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

export class LogSink implements LineSink {
  readonly #path: string | null;
  readonly #clock: Clock;
  readonly #flushMs: number;
  #fd: number;
  #pending: string[] = [];
  #pendingBytes = 0;
  #timer: Timer | null = null;
  /** No configuration names the file any more; streams that began before may still log. */
  #retired = false;
  readonly #onTimer = (): void => this.flush();

  /** Throws when the file cannot be opened. */
  constructor(key: SinkKey, clock: Clock) {
    this.#clock = clock;
    this.#path = key.startsWith(FILE) ? key.slice(FILE.length) : null;
    this.#fd = this.#path !== null ? openSync(this.#path, "a") : key === "stdout" ? 1 : 2;
    this.#flushMs = this.#path !== null ? FLUSH_MS : 1;
  }

  write(line: string): void {
    this.#pending.push(line);
    this.#pendingBytes += line.length;
    if (this.#pendingBytes >= FLUSH_BYTES) this.flush();
    else if (this.#timer === null) this.#timer = this.#clock.after(this.#flushMs, this.#onTimer);
  }

  flush(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#pending.length === 0) return;
    const bytes = Buffer.from(this.#pending.join(""), "latin1");
    this.#pending = [];
    this.#pendingBytes = 0;
    let written = 0;
    try {
      if (this.#fd < 0 && this.#path !== null) this.#fd = openSync(this.#path, "a");
      while (written < bytes.length) written += writeSync(this.#fd, bytes, written);
    } catch (error) {
      log.error(`access log ${this.#path ?? `fd ${this.#fd}`}: lines lost: ${String(error)}`);
    }
    if (this.#retired) this.#close();
  }

  /** The file is closed between lines from now on. */
  retire(): void {
    this.#retired = true;
    this.flush();
    this.#close();
  }

  #close(): void {
    if (this.#path === null || this.#fd < 0) return;
    closeSync(this.#fd);
    this.#fd = -1;
  }

  /** After a rotation: goes on in a new file of the same name. */
  reopen(): void {
    if (this.#path === null) return;
    this.flush();
    const next = openSync(this.#path, "a");
    closeSync(this.#fd);
    this.#fd = next;
  }
}

/** The sinks of one thread, opened when their first line comes. */
export class LogSinks {
  readonly #clock: Clock;
  readonly #sinks = new Map<SinkKey, LogSink>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  write(key: SinkKey, line: string): void {
    const sink = this.#sinks.get(key) ?? this.#open(key);
    sink?.write(line);
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
      const sink = new LogSink(key, this.#clock);
      this.#sinks.set(key, sink);
      return sink;
    } catch (error) {
      log.error(`access log ${key}: lines lost: ${String(error)}`);
      return null;
    }
  }
}
