/**
 * One stream as a shadow sees it: copies of what reaches the filter that serves, in a chain of its
 * own with the shadow as its only filter. What comes out is kept to be compared, and goes nowhere.
 */
import { BodyChunk } from "../../shm/body-chunk.ts";
import type { Plugin } from "../../vm/types.ts";
import type { BodyBuffer } from "../body-buffer.ts";
import { ChainDirection } from "../filter-chain.ts";
import { type ChainSink, type Direction, REQUEST, RESPONSE } from "../http-filter.ts";
import type { LocalReplyParts } from "../local-reply.ts";
import { StreamInfo } from "../stream-info.ts";
import { createWasmFilter, type FilterStream, type WasmFilter } from "../wasm-filter.ts";
import { bytesOf, Passed } from "./passed.ts";

export class ShadowStream implements FilterStream, ChainSink {
  readonly info: StreamInfo;
  readonly manager: FilterStream["manager"];
  readonly request: ChainDirection;
  readonly response: ChainDirection;
  readonly passed: readonly [Passed, Passed] = [new Passed(), new Passed()];
  /** Null: its VM failed and it is left out. */
  readonly filter: WasmFilter | null;
  /** It held more than it may. */
  overflowed = false;
  #live: FilterStream;
  #ended = false;

  constructor(plugin: Plugin, live: FilterStream, bufferBytesMax: number) {
    this.#live = live;
    this.manager = live.manager;
    const { listener, connection, streamId } = live.info;
    this.info = new StreamInfo(listener, connection, streamId);
    this.request = new ChainDirection(REQUEST, this, bufferBytesMax);
    this.response = new ChainDirection(RESPONSE, this, bufferBytesMax);
    this.filter = createWasmFilter(plugin, this);
    if (this.filter === null) return;
    this.request.add(this.filter);
    this.response.add(this.filter);
  }

  get ended(): boolean {
    return this.#ended;
  }

  feedHeaders(direction: Direction, endStream: boolean): void {
    this.#refresh();
    const { info } = this.#live;
    if (direction === REQUEST) this.info.requestHeaders = info.requestHeaders?.clone() ?? null;
    else this.info.responseHeaders = info.responseHeaders?.clone() ?? null;
    this.#chain(direction).headers(endStream);
  }

  feedData(direction: Direction, data: BodyBuffer, endStream: boolean): void {
    this.#refresh();
    const chunk = data.byteLength === 0 ? null : BodyChunk.ofHeap(bytesOf(data));
    this.#chain(direction).data(chunk, endStream);
    chunk?.release();
  }

  feedTrailers(direction: Direction): void {
    this.#refresh();
    const { info } = this.#live;
    if (direction === REQUEST) this.info.requestTrailers = info.requestTrailers?.clone() ?? null;
    else this.info.responseTrailers = info.responseTrailers?.clone() ?? null;
    this.#chain(direction).trailers();
  }

  /** The stream is over; nothing is compared after that. */
  end(): void {
    this.#ended = true;
    this.request.abort();
    this.response.abort();
    this.filter?.onLog();
    this.filter?.onDestroy();
  }

  #chain(direction: Direction): ChainDirection {
    return direction === REQUEST ? this.request : this.response;
  }

  /** What is known of the stream by now; headers and filter state are the shadow's own. */
  #refresh(): void {
    const { requestHeaders, requestTrailers, responseHeaders, responseTrailers, filterState } =
      this.info;
    Object.assign(this.info, this.#live.info, {
      requestHeaders,
      requestTrailers,
      responseHeaders,
      responseTrailers,
      filterState,
    });
  }

  // --- effects of the shadow, which end here --------------------------------------------------

  localReply(_parts: LocalReplyParts): void {
    this.#stop();
  }

  reset(): void {
    this.#stop();
  }

  clearRouteCache(): void {}

  #stop(): void {
    this.request.abort();
    this.response.abort();
  }

  sinkHeaders(direction: Direction, endStream: boolean): void {
    const { requestHeaders, responseHeaders } = this.info;
    const headers = direction === REQUEST ? requestHeaders : responseHeaders;
    this.passed[direction].addHeaders(headers, endStream);
  }

  sinkData(direction: Direction, data: BodyBuffer, endStream: boolean): void {
    this.passed[direction].addData(data, endStream);
    data.clear();
  }

  sinkTrailers(direction: Direction): void {
    const { requestTrailers, responseTrailers } = this.info;
    this.passed[direction].addTrailers(direction === REQUEST ? requestTrailers : responseTrailers);
  }

  bufferOverflow(): void {
    this.overflowed = true;
    this.#stop();
  }

  /** Nothing more is held than what the live filter lets come. */
  bufferHigh(): void {}
  bufferLow(): void {}
  unwound(): void {}
}
