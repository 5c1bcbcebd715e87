/**
 * What the strict HTTP/1.1 parsers and serialisers of both directions speak: heads, events, errors.
 * Values only; sockets live in `src/net`. Source: RFC 9112, RFC 9110.
 */
import type { HeaderMap } from "../header-map.ts";

/** How the end of a body is found. `close` only for responses (RFC 9112 section 6.3). */
export type BodyFraming = "none" | "length" | "chunked" | "close";

export interface RequestHead {
  /** Starts with `:authority`, `:path`, `:method`, `:scheme`; `host` is not among the rest. */
  readonly headers: HeaderMap;
  /** 10 or 11. */
  readonly version: number;
  readonly framing: BodyFraming;
  /** Content-Length; -1 unless framing is `length`. */
  readonly contentLength: number;
  /** May the connection serve another request (version and `connection` header)? */
  readonly keepAlive: boolean;
  readonly expectContinue: boolean;
  /** Value of `upgrade` when `connection` names it, else null. CONNECT gives "connect". */
  readonly upgrade: string | null;
}

export interface ResponseHead {
  /** Starts with `:status`. */
  readonly headers: HeaderMap;
  readonly status: number;
  readonly version: number;
  readonly framing: BodyFraming;
  readonly contentLength: number;
  readonly keepAlive: boolean;
}

/** One object per connection, never a closure per message. Called synchronously by `execute`. */
export interface MessageEvents<Head> {
  onHead(head: Head): void;
  /** Body bytes `[start, end)` of the buffer given to `execute`; valid until it returns. */
  onBody(start: number, end: number): void;
  onTrailers(trailers: HeaderMap): void;
  /** The message is complete. The parser stops here until `startMessage()` is called again. */
  onMessageEnd(): void;
}

export interface H1ErrorRow {
  /** Status a server answers with before it closes; as a client every error is a 502. */
  readonly status: number;
  /** `%RESPONSE_CODE_DETAILS%`, as Envoy names it where it has the case. */
  readonly details: string;
}

/**
 * The result of `execute` when the bytes are no HTTP: the message is dead, the connection closes.
 */
export interface H1Error extends H1ErrorRow {
  readonly code: string;
}

export interface H1Limits {
  /** Bytes of start line and headers together; above: 431 (414 if the start line alone is over). */
  readonly headBytesMax: number;
  readonly headersCountMax: number;
}

export interface MessageParser {
  /**
   * Parses bytes `[start, end)`. Stops at the end of a message; returns the offset of the first
   * byte
   * not consumed, or -1 when the bytes are malformed (then `error` is set). Writes lower-case names
   * into the buffer in place.
   */
  execute(buffer: Uint8Array, start: number, end: number): number;
  readonly error: H1Error | null;
  /** Ready for the next message on the same connection. */
  startMessage(): void;
  /** The peer sent FIN. Returns false when that cuts a message short (error is set then). */
  finish(): boolean;
  /** Whether bytes of a message have arrived and its end has not. */
  readonly midMessage: boolean;
}
