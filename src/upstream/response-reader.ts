/**
 * Reads the responses of one connection. What the parser found is held until more is known, so that
 * the last event of a response carries its end and a connection is free again before the router
 * hears that the response is over. Owned by an Http1Client.
 * @hot per-request, per-chunk
 */
import { ResponseParser } from "../http/h1/response-parser.ts";
import type { H1Limits, MessageEvents, ResponseHead } from "../http/h1/types.ts";
import type { HeaderMap } from "../http/header-map.ts";
import type { Connection } from "../net/types.ts";
import type { BodyChunk } from "../shm/body-chunk.ts";
import type { Exchange } from "./exchange.ts";

/**
 * `part`: the response goes on; `complete`: it is over; `surplus`: it is over and bytes are left
 * that nobody asked for; `malformed`: see `errorDetails`.
 */
type ReadOutcome = "part" | "complete" | "surplus" | "malformed";

export class ResponseReader implements MessageEvents<ResponseHead> {
  readonly #connection: Connection;
  readonly #parser: ResponseParser;
  #exchange: Exchange | null = null;
  #head: ResponseHead | null = null;
  #chunk: BodyChunk | null = null;
  #trailers: HeaderMap | null = null;
  #ended = false;
  #keepAlive = false;
  #inBody = false;
  #begun = false;

  constructor(connection: Connection, limits: H1Limits) {
    this.#connection = connection;
    this.#parser = new ResponseParser(limits, this);
  }

  get head(): ResponseHead | null {
    return this.#head;
  }

  get chunk(): BodyChunk | null {
    return this.#chunk;
  }

  get trailers(): HeaderMap | null {
    return this.#trailers;
  }

  /** Whether the response lets the connection serve another request. */
  get keepAlive(): boolean {
    return this.#keepAlive;
  }

  /** Whether the head is read and the end is not. */
  get inBody(): boolean {
    return this.#inBody && !this.#ended;
  }

  /** Whether a byte of the response has come. */
  get begun(): boolean {
    return this.#begun;
  }

  /** As ConnectionEvents. */
  get bodyLeft(): number {
    return this.#exchange === null ? 0 : this.#parser.bodyLeft;
  }

  get errorDetails(): string {
    return this.#parser.error === null ? "" : this.#parser.error.code;
  }

  /** Makes ready for the response to a HEAD request or to another. */
  begin(exchange: Exchange, method: "HEAD" | "other"): void {
    this.#exchange = exchange;
    this.#keepAlive = false;
    this.#inBody = false;
    this.#ended = false;
    this.#begun = false;
    this.#parser.startMessage();
    this.#parser.expect(method === "HEAD");
  }

  /** Reads bytes `[0, length)`. Informational heads are delivered from here. */
  read(buffer: Uint8Array, length: number): ReadOutcome {
    this.#begun = true;
    const at = this.#parser.execute(buffer, 0, length);
    if (at < 0) return "malformed";
    if (!this.#ended) return "part";
    return at < length ? "surplus" : "complete";
  }

  /** The peer sent FIN: whether that completed the response. */
  finish(): boolean {
    return this.#parser.finish() && this.#ended;
  }

  /** Hands over what is held of a response that goes on. */
  deliverPart(): void {
    const exchange = this.#exchange;
    const head = this.#head;
    const chunk = this.#chunk;
    this.#head = null;
    this.#chunk = null;
    if (exchange !== null && (head !== null || chunk !== null)) exchange.deliverPart(head, chunk);
  }

  /** Forgets the exchange and what is held; the chunk is the caller's now. */
  forget(): void {
    this.#exchange = null;
    this.#head = null;
    this.#chunk = null;
    this.#trailers = null;
    this.#inBody = false;
  }

  /** Forgets the exchange and releases what is held. */
  discard(): void {
    if (this.#chunk !== null) this.#chunk.release();
    this.forget();
  }

  onHead(head: ResponseHead): void {
    const exchange = this.#exchange;
    if (exchange === null) return;
    if (head.status < 200) {
      exchange.events.onInformational(head.headers);
      return;
    }
    this.#head = head;
    this.#keepAlive = head.keepAlive;
    this.#inBody = true;
  }

  onBody(start: number, end: number): void {
    if (this.#exchange === null) return;
    if (this.#chunk !== null) {
      this.deliverPart();
      if (this.#exchange === null) return;
    }
    this.#chunk = this.#connection.chunkOf(start, end);
  }

  onTrailers(trailers: HeaderMap): void {
    this.#trailers = trailers;
  }

  onMessageEnd(): void {
    this.#ended = true;
  }
}
