/**
 * Access logs of one silo: which line goes to which sink. The lines themselves are written by the
 * thread of the log writer (see log-ring.ts), or by this thread where there is none.
 */
import { closeSync, openSync } from "node:fs";
import type { AccessLogConfig } from "../config/types.ts";
import { compileWhole, type WholeText } from "./format-line.ts";
import { compileFilter, type LogFilter } from "./log-filter.ts";
import type { LogRing } from "./log-ring.ts";
import { type LineSink, LogSink, type SinkKey } from "./log-sinks.ts";
import type { StreamInfo } from "./stream-info.ts";

/** One sink per file for the whole silo, however many listeners log to it. */
export class AccessLogs {
  readonly #ring: LogRing | null;
  readonly #sinks = new Map<SinkKey, LineSink>();

  /** @param ring to the thread that writes; null = this one does */
  constructor(ring: LogRing | null) {
    this.#ring = ring;
  }

  /**
   * A logger that writes one line per call to each of `configs`. Throws when a file cannot be
   * opened.
   */
  logger(configs: readonly AccessLogConfig[]): StreamLogger {
    return new StreamLogger(
      configs.map((config) => ({
        line: compileWhole(config.format, config.omitEmptyValues ? "omit" : "show"),
        sink: this.#sinkOf(config),
        filter: config.filter === null ? null : compileFilter(config.filter),
      })),
    );
  }

  #sinkOf(config: AccessLogConfig): LineSink {
    const key = keyOf(config);
    const known = this.#sinks.get(key);
    if (known !== undefined) return known;
    if (this.#ring !== null && config.sink.kind === "file") {
      // The other thread opens it later; that it cannot must show now.
      closeSync(openSync(config.sink.path, "a"));
    }
    const sink = this.#ring === null ? new LogSink(key) : this.#ring.sink(key);
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

function keyOf({ sink }: AccessLogConfig): SinkKey {
  return sink.kind === "file" ? `file:${sink.path}` : sink.kind;
}

interface LogTarget {
  /** With its line end. */
  readonly line: WholeText;
  /** Null: every stream. */
  readonly filter: LogFilter | null;
  readonly sink: LineSink;
}

export class StreamLogger {
  readonly #targets: readonly LogTarget[];

  constructor(targets: readonly LogTarget[]) {
    this.#targets = targets;
  }

  log(info: StreamInfo): void {
    for (let i = 0; i < this.#targets.length; i++) {
      const { line, filter, sink } = this.#targets[i] as LogTarget;
      if (filter === null || filter(info)) sink.write(line(info));
    }
  }
}
