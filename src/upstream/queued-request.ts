/**
 * What the router sent of a request that has no connection yet: the head as a copy, the body chunks
 * retained. Off the hot way: made only when no connection is idle.
 */
import type { HeaderMap } from "../http/header-map.ts";
import type { BodyChunk } from "../shm/body-chunk.ts";
import type { UpstreamRequest } from "./types.ts";

export class QueuedRequest {
  /** Monotonic time of the first call, in milliseconds. */
  readonly sinceMs: number;
  #headers: HeaderMap | null = null;
  #endsWithHead = false;
  #chunks: BodyChunk[] = [];
  #endsWithData = false;
  #trailers: HeaderMap | null = null;
  #byteLength = 0;

  constructor(sinceMs: number) {
    this.sinceMs = sinceMs;
  }

  get headers(): HeaderMap | null {
    return this.#headers;
  }

  get endsWithHead(): boolean {
    return this.#endsWithHead;
  }

  /** Bytes of body kept. */
  get byteLength(): number {
    return this.#byteLength;
  }

  addHead(headers: HeaderMap, endStream: boolean): void {
    this.#headers = headers.clone();
    this.#endsWithHead = endStream;
  }

  addData(chunk: BodyChunk, endStream: boolean): void {
    chunk.retain();
    this.#chunks.push(chunk);
    this.#byteLength += chunk.byteLength;
    this.#endsWithData = endStream;
  }

  addTrailers(trailers: HeaderMap): void {
    this.#trailers = trailers.clone();
  }

  /** Sends the body and the trailers on, and releases the chunks. The head is the caller's part. */
  replayBody(request: UpstreamRequest): void {
    const last = this.#endsWithData ? this.#chunks.length - 1 : -1;
    for (let i = 0; i < this.#chunks.length; i++) {
      request.sendData(this.#chunks[i] as BodyChunk, i === last);
    }
    if (this.#trailers !== null) request.sendTrailers(this.#trailers);
    this.release();
  }

  release(): void {
    for (const chunk of this.#chunks) chunk.release();
    this.#chunks = [];
    this.#byteLength = 0;
  }
}
