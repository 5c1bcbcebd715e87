/**
 * Access logs of one silo: lines are gathered and appended to the file once a second or when 64 KiB
 * are there, as Envoy does; standard output and error get each turn's lines at once. Several silos
 * append to one file, whole lines at a time.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import type { Clock, Timer } from "../base/clock.ts";
import { Logger } from "../base/log.ts";
import type { AccessLogConfig } from "../config/types.ts";
import { formatWhole } from "./format-line.ts";
import { compileFilter, type LogFilter } from "./log-filter.ts";
import type { StreamInfo } from "./stream-info.ts";

const FLUSH_MS = 1000;
const FLUSH_BYTES = 65_536;
const log = new Logger("main");

class LogSink {
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

  constructor(sink: AccessLogConfig["sink"], clock: Clock) {
    this.#clock = clock;
    this.#path = sink.kind === "file" ? sink.path : null;
    this.#fd = sink.kind === "file" ? openSync(sink.path, "a") : sink.kind === "stdout" ? 1 : 2;
    this.#flushMs = sink.kind === "file" ? FLUSH_MS : 1;
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

/** One sink per file for the whole silo, however many listeners log to it. */
export class AccessLogs {
  readonly #clock: Clock;
  readonly #sinks = new Map<string, LogSink>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * A logger that writes one line per call to each of `configs`. Throws when a file cannot be
   * opened.
   */
  logger(configs: readonly AccessLogConfig[]): StreamLogger {
    return new StreamLogger(
      configs.map((config) => ({
        config,
        sink: this.#sinkOf(config),
        filter: config.filter === null ? null : compileFilter(config.filter),
      })),
    );
  }

  #sinkOf(config: AccessLogConfig): LogSink {
    const key = keyOf(config);
    const known = this.#sinks.get(key);
    if (known !== undefined) return known;
    const sink = new LogSink(config.sink, this.#clock);
    this.#sinks.set(key, sink);
    return sink;
  }

  /** Closes the files that none of `configs` names. */
  retain(configs: readonly AccessLogConfig[]): void {
    const kept = new Set(configs.map(keyOf));
    for (const [key, sink] of this.#sinks) {
      if (kept.has(key)) continue;
      this.#sinks.delete(key);
      sink.retire();
    }
  }

  flush(): void {
    for (const sink of this.#sinks.values()) sink.flush();
  }

  reopen(): void {
    for (const sink of this.#sinks.values()) sink.reopen();
  }
}

function keyOf({ sink }: AccessLogConfig): string {
  return sink.kind === "file" ? `file:${sink.path}` : sink.kind;
}

interface LogTarget {
  readonly config: AccessLogConfig;
  /** Null: every stream. */
  readonly filter: LogFilter | null;
  readonly sink: LogSink;
}

export class StreamLogger {
  readonly #targets: readonly LogTarget[];

  constructor(targets: readonly LogTarget[]) {
    this.#targets = targets;
  }

  log(info: StreamInfo): void {
    for (let i = 0; i < this.#targets.length; i++) {
      const { config, filter, sink } = this.#targets[i] as LogTarget;
      if (filter === null || filter(info)) sink.write(formatLine(config, info));
    }
  }
}

/** One line with its line end; exported for tests. */
export function formatLine(config: AccessLogConfig, info: StreamInfo): string {
  return formatWhole(config.format, info, config.omitEmptyValues ? "omit" : "show");
}
