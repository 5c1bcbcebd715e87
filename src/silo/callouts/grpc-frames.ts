/**
 * gRPC messages in a body: a flag, a length of four bytes, the message. Both directions; messages
 * are never trusted to be as long as they say before they are there. Source: gRPC over HTTP/2,
 * "Length-Prefixed-Message".
 * @hot per-chunk
 */
import { LIMITS } from "../../base/limits.ts";
import { ReplyBody } from "./reply-body.ts";

const PREFIX_BYTES = 5;

/** A message with its prefix. */
export function framed(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(PREFIX_BYTES + message.byteLength);
  bytes[1] = message.byteLength >>> 24;
  bytes[2] = message.byteLength >>> 16;
  bytes[3] = message.byteLength >>> 8;
  bytes[4] = message.byteLength;
  bytes.set(message, PREFIX_BYTES);
  return bytes;
}

export interface FrameEvents {
  /** Returns false to stop: the stream is over. */
  onMessage(message: Uint8Array, compression: "plain" | "compressed"): boolean;
}

/** Why a body is no sequence of messages. */
export type FrameFault = "flag" | "tooLarge";

export class FrameReader {
  readonly #events: FrameEvents;
  readonly #prefix = new Uint8Array(PREFIX_BYTES);
  #prefixBytes = 0;
  /** Bytes of the message that are still to come. */
  #left = 0;
  #message = new ReplyBody();

  constructor(events: FrameEvents) {
    this.#events = events;
  }

  /** Whether a message has begun and is not whole. */
  get midMessage(): boolean {
    return this.#prefixBytes > 0;
  }

  /** Reads the next bytes of the body; what is wrong with them, or null. */
  read(bytes: Uint8Array): FrameFault | null {
    let at = 0;
    while (at < bytes.byteLength) {
      if (this.#prefixBytes < PREFIX_BYTES) {
        this.#prefix[this.#prefixBytes++] = bytes[at++] as number;
        if (this.#prefixBytes < PREFIX_BYTES) continue;
        const fault = this.#begin();
        if (fault !== null) return fault;
      } else {
        const part = bytes.subarray(at, at + this.#left);
        this.#message.append(part);
        this.#left -= part.byteLength;
        at += part.byteLength;
      }
      if (this.#left === 0 && !this.#finish()) return null;
    }
    return null;
  }

  #begin(): FrameFault | null {
    const [flag, a, b, c, d] = this.#prefix as unknown as [number, number, number, number, number];
    if (flag > 1) return "flag";
    this.#left = a * 0x1000000 + b * 0x10000 + c * 0x100 + d;
    return this.#left > LIMITS.grpcMessageBytes ? "tooLarge" : null;
  }

  #finish(): boolean {
    const compression = this.#prefix[0] === 1 ? "compressed" : "plain";
    const message = this.#message.take();
    this.#message = new ReplyBody();
    this.#prefixBytes = 0;
    return this.#events.onMessage(message, compression);
  }
}
