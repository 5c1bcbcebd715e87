/**
 * The first bytes of an accepted connection, before it is decided who serves it: reads until the
 * caller has seen enough, then gives the socket on, unread bytes included. Thread: a silo's.
 */
import { Socket } from "node:net";
import { LIMITS } from "../base/limits.ts";
import type { AcceptedSource } from "./accept.ts";

/** What to do after a look at everything that has arrived. */
export type PreludeVerdict =
  | "more"
  /** Close the connection at once. */
  | "refuse"
  /** Bytes of a header that ends here; the rest goes on. */
  | { readonly skip: number };

export interface PreludeEvents {
  /** @param bytes everything so far; valid for the call */
  look(bytes: Buffer): PreludeVerdict;
  /** The socket is the caller's now; `early` are bytes already read, which nobody has seen. */
  onReady(socket: Socket, early: Buffer): void;
  /** The connection ended, by the client or by `refuse` or `cancel`; told once, last. */
  onGone(): void;
}

/** More than this is nothing that is looked for. */
const BYTES_MAX = LIMITS.proxyHeaderBytes + LIMITS.clientHelloBytes + 1_024;

export class Prelude {
  readonly #socket: Socket;
  readonly #events: PreludeEvents;
  #bytes: Buffer = Buffer.alloc(0);
  #over = false;
  readonly #onData = (bytes: Buffer): void => this.#received(bytes);
  readonly #onEnd = (): void => this.cancel();
  readonly #onClose = (): void => this.#gone();

  /** Takes over the descriptor or socket. Throws when the descriptor is no socket. */
  constructor(source: AcceptedSource, events: PreludeEvents) {
    this.#events = events;
    this.#socket =
      "fd" in source ? new Socket({ fd: source.fd, allowHalfOpen: true }) : source.socket;
    this.#socket.allowHalfOpen = true;
    this.#socket.on("data", this.#onData);
    this.#socket.on("end", this.#onEnd);
    this.#socket.on("error", this.#onEnd);
    this.#socket.on("close", this.#onClose);
    this.#socket.resume();
  }

  get socket(): Socket {
    return this.#socket;
  }

  /** Goes on with what is there, looked at or not. */
  settle(): void {
    this.#ready(0);
  }

  cancel(): void {
    this.#socket.destroy();
  }

  #received(bytes: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes]);
    const verdict = this.#events.look(this.#bytes);
    if (verdict === "refuse") {
      this.#socket.resetAndDestroy();
    } else if (verdict === "more") {
      if (this.#bytes.length > BYTES_MAX) this.#socket.resetAndDestroy();
    } else {
      this.#ready(verdict.skip);
    }
  }

  #ready(skip: number): void {
    const socket = this.#socket;
    if (this.#over || socket.destroyed) return;
    this.#over = true;
    socket.off("data", this.#onData);
    socket.off("end", this.#onEnd);
    socket.off("error", this.#onEnd);
    socket.off("close", this.#onClose);
    socket.pause();
    this.#events.onReady(socket, this.#bytes.subarray(skip));
  }

  #gone(): void {
    if (this.#over) return;
    this.#over = true;
    this.#events.onGone();
  }
}
