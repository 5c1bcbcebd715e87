/**
 * Writes one response at a time to a client connection: framing, coalescing of the head with the
 * first bytes of the body, back-pressure. One per connection, reused. @hot per-request, per-chunk
 */
import type { Deferred } from "../../base/turn.ts";
import { serialiseResponseHead, serialiseTrailers } from "../../http/h1/serialise.ts";
import type { BodyFraming } from "../../http/h1/types.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import type { Connection } from "../../net/types.ts";
import type { BodyChunk } from "../../shm/body-chunk.ts";
import type { CodecConnection } from "./codec.ts";
import type { RequestDecoder, ResponseEncoder } from "./types.ts";

export class CodecResponse implements ResponseEncoder, Deferred {
  /** May the connection serve another request after this response? Set by the connection. */
  keepAlive = true;
  headRequest = false;
  readonly #connection: Connection;
  readonly #owner: CodecConnection;
  #version = 11;
  #framing: BodyFraming = "none";
  #left = -1;
  #close = false;
  #open = false;
  /** Text that goes out with the next bytes, or at the end of this turn. */
  #held = "";
  #flushQueued = false;
  #high = false;

  constructor(connection: Connection, owner: CodecConnection) {
    this.#connection = connection;
    this.#owner = owner;
  }

  /** Begins the response to a request of the given HTTP version (10 or 11). */
  start(version: number): void {
    this.#version = version;
    this.#open = true;
    this.#held = "";
    this.#high = false;
    this.keepAlive = version === 11;
    this.headRequest = false;
  }

  /** The end of the turn: nothing more comes to share the write. */
  runDeferred(): void {
    this.#flushQueued = false;
    if (this.#held !== "" && this.#open) this.#writeHeld();
  }

  get pendingBytes(): number {
    return this.#connection.pendingBytes;
  }

  encodeInformational(headers: HeaderMap): void {
    if (this.#version === 10 || !this.#open) return;
    const text = serialiseResponseHead(headers, {
      version10: false,
      connection: null,
      framing: "none",
    });
    this.#connection.writeText(text);
  }

  encodeHeaders(headers: HeaderMap, endStream: boolean, close: boolean): void {
    const status = headers.get(":status") as string;
    const bodyless = this.headRequest || status === "204" || status === "304";
    this.#frame(headers, endStream, bodyless, status);
    this.#close = close || !this.keepAlive || this.#framing === "close";
    const version10 = this.#version === 10;
    const connection = this.#close ? "close" : version10 ? "keep-alive" : null;
    this.#held = serialiseResponseHead(headers, { version10, connection, framing: this.#framing });
    if (endStream) {
      this.#finish();
    } else if (!this.#flushQueued) {
      this.#flushQueued = true;
      this.#owner.manager.silo.turn.schedule(this);
    }
  }

  #frame(headers: HeaderMap, endStream: boolean, bodyless: boolean, status: string): void {
    const length = headers.get("content-length");
    this.#left = -1;
    if (bodyless) {
      if (status === "204") headers.remove("content-length");
      this.#framing = "none";
    } else if (endStream) {
      if (length !== "0") headers.set("content-length", "0");
      this.#framing = "length";
      this.#left = 0;
    } else if (length !== null) {
      this.#framing = "length";
      this.#left = Number(length);
    } else {
      this.#framing = this.#version === 10 ? "close" : "chunked";
    }
  }

  encodeData(chunk: BodyChunk, endStream: boolean): void {
    if (!this.#open) return;
    const size = chunk.byteLength;
    if (size > 0 && this.#framing !== "none") this.#writeBody(chunk, size);
    if (!this.#open) return;
    if (endStream) {
      if (this.#framing === "chunked") this.#held += "0\r\n\r\n";
      this.#finish();
    } else {
      this.#checkHigh();
    }
  }

  #writeBody(chunk: BodyChunk, size: number): void {
    if (this.#framing === "length") {
      if (size > this.#left) {
        // More than the announced length would be read as the next response.
        this.resetStream();
        return;
      }
      this.#left -= size;
    }
    if (this.#framing === "chunked") this.#held += `${size.toString(16)}\r\n`;
    if (this.#held === "") {
      this.#connection.writeChunk(chunk);
    } else {
      const text = this.#held;
      this.#held = "";
      this.#connection.writeTextAndChunk(text, chunk);
    }
    if (this.#framing === "chunked") {
      this.#held = "\r\n";
      if (!this.#flushQueued) {
        this.#flushQueued = true;
        this.#owner.manager.silo.turn.schedule(this);
      }
    }
  }

  encodeTrailers(trailers: HeaderMap): void {
    if (!this.#open) return;
    if (this.#framing === "chunked") this.#held += serialiseTrailers(trailers);
    this.#finish();
  }

  #finish(): void {
    if (this.#held !== "") this.#writeHeld();
    this.#open = false;
    // Fewer bytes than announced: the client must not take the next response for the rest.
    this.#owner.responseDone(this.#close || this.#left > 0);
  }

  #writeHeld(): void {
    const text = this.#held;
    this.#held = "";
    this.#connection.writeText(text);
  }

  #checkHigh(): void {
    if (this.#high || this.pendingBytes <= this.#owner.manager.listener.perConnectionBufferBytes)
      return;
    this.#high = true;
    this.#owner.responseHigh();
  }

  /** Everything written has left. */
  onWritable(stream: RequestDecoder | null): void {
    if (!this.#high) return;
    this.#high = false;
    if (this.#open) stream?.onResponseLowWatermark();
  }

  pauseRequest(): void {
    this.#owner.pauseRequest();
  }

  resumeRequest(): void {
    this.#owner.resumeRequest();
  }

  resetStream(): void {
    if (!this.#open) return;
    this.#open = false;
    if (this.#held !== "") this.#writeHeld();
    this.#owner.responseReset();
  }
}
