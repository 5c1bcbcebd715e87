/**
 * What a stream and its transport (`codec`, `uws`) say to each other. The transport makes one
 * stream
 * per request through StreamFactory and answers through ResponseEncoder.
 */
import type { HeaderMap } from "../../http/header-map.ts";
import type { BodyChunk } from "../../shm/body-chunk.ts";
import type { DownstreamInfo } from "../stream-info.ts";
import type { ChainManager } from "./chain-slot.ts";

/** Implemented by the transport, one per request. Methods never call back synchronously. */
export interface ResponseEncoder {
  /** 100-continue or another 1xx from upstream. */
  encodeInformational(headers: HeaderMap): void;
  /** `close`: the connection ends after this response and says so. */
  encodeHeaders(headers: HeaderMap, endStream: boolean, close: boolean): void;
  /** The encoder retains the chunk as long as it needs it. */
  encodeData(chunk: BodyChunk, endStream: boolean): void;
  encodeTrailers(trailers: HeaderMap): void;
  /** Stops and restarts reading the request; counted. */
  pauseRequest(): void;
  resumeRequest(): void;
  /** Ends the stream without a complete response: the connection is closed. */
  resetStream(): void;
  /** Bytes of the response the client has not taken. */
  readonly pendingBytes: number;
}

/** Implemented by the stream. */
export interface RequestDecoder {
  onRequestHeaders(headers: HeaderMap, endStream: boolean): void;
  onRequestData(chunk: BodyChunk, endStream: boolean): void;
  onRequestTrailers(trailers: HeaderMap): void;
  /**
   * The client broke the protocol, before or after its head; answered, then the connection closes.
   */
  onProtocolError(status: number, details: string): void;
  /** The client is gone or broke the protocol in the body. */
  onDownstreamReset(flag: string, details: string): void;
  onResponseHighWatermark(): void;
  onResponseLowWatermark(): void;
}

export interface RequestMeta {
  readonly version: number;
  readonly expectContinue: boolean;
  readonly upgrade: string | null;
  readonly startMs: number;
}

/** The silo's end of one listener, whichever transport serves it. */
export interface DownstreamListener {
  /** What a stopping silo waits for. */
  readonly connectionCount: number;
  /** Serves the connection behind `fd`, which this thread owns from now on. */
  accept(source: { readonly fd: number }): void;
  /** No new connections; what is idle ends now, the rest after its response. Idempotent. */
  drain(): void;
  destroyAll(): void;
  /**
   * Makes what the listener needs to go on with `managers`, one for each filter chain; throws when
   * it cannot be made.
   * @returns what switches over: streams from then on are theirs, on old connections too.
   */
  replacement(managers: readonly ChainManager[]): () => void;
}

/** Makes streams for one listener. */
export interface StreamFactory {
  newStream(
    encoder: ResponseEncoder,
    connection: DownstreamInfo,
    meta: RequestMeta,
  ): RequestDecoder;
}
