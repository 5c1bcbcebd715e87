/**
 * One direction of a proxied connection: bytes that arrived and have not passed all filters, and
 * whether the sender has ended. As in Envoy each event shows the first filter everything that is
 * held; a filter that stops keeps it for all behind it. @hot per-chunk
 */
import type { BodyChunk } from "../../shm/body-chunk.ts";
import { BodyBuffer } from "../body-buffer.ts";
import type { TcpFilter, TcpHalf } from "./tcp-filter.ts";

/** Takes what passed all filters of a direction. */
export interface TcpSink {
  readonly isClosed: boolean;
  /** The sink owns what it takes out of `data`. */
  passed(half: TcpHalf, data: BodyBuffer): void;
  passedEnd(half: TcpHalf): void;
}

export class TcpHalfway {
  readonly data = new BodyBuffer();
  readonly #half: TcpHalf;
  readonly #sink: TcpSink;
  /** In the order of this direction. */
  readonly #filters: readonly TcpFilter[];
  /** The sender has ended; the sink has heard of it. */
  #ended = false;
  #endPassed = false;

  constructor(half: TcpHalf, filters: readonly TcpFilter[], sink: TcpSink) {
    this.#half = half;
    this.#filters = filters;
    this.#sink = sink;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get endPassed(): boolean {
    return this.#endPassed;
  }

  append(chunk: BodyChunk): void {
    this.data.append(chunk);
  }

  end(): void {
    this.#ended = true;
  }

  /** Shows what is held to the filters from `from` on, and passes on what none of them stops. */
  run(from: number): void {
    const { data } = this;
    if (this.#endPassed || (data.byteLength === 0 && !this.#ended)) return;
    for (let i = from; i < this.#filters.length; i++) {
      const passes = (this.#filters[i] as TcpFilter).onData(this.#half, data, this.#ended);
      if (!passes || this.#sink.isClosed) return;
    }
    if (data.byteLength > 0) this.#sink.passed(this.#half, data);
    if (!this.#ended || this.#endPassed || this.#sink.isClosed) return;
    this.#endPassed = true;
    this.#sink.passedEnd(this.#half);
  }

  /** A filter that stopped goes on: those behind it see what is held. */
  resume(filter: TcpFilter): void {
    this.run(this.#filters.indexOf(filter) + 1);
  }

  clear(): void {
    this.data.clear();
  }
}
