/** Ends of connections that keep everything they got, and a wait that ends when anything changes. */
import { connect, type Socket } from "node:net";
import type { StreamPart } from "./case.ts";
import { isInterim, type Message, readMessages } from "./messages.ts";

/** Wakes everybody who waits, whenever something happened anywhere. */
export class Changes {
  #waiting: (() => void)[] = [];

  readonly wake = (): void => {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  };

  /** True once `isThere` holds; false when that did not come about in time. */
  async until(isThere: () => boolean, limitMs: number): Promise<boolean> {
    const deadline = performance.now() + limitMs;
    const timer = setTimeout(this.wake, limitMs + 1);
    try {
      while (!isThere()) {
        if (performance.now() >= deadline) return false;
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
      return true;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The tests' end of a connection. */
export interface Peer {
  readonly isClosed: boolean;
  readonly messages: readonly Message[];
  /** Those that are no interim responses. */
  readonly finals: readonly Message[];
  /** The newest stream is over, for whatever reason; an HTTP/1 connection has one. */
  readonly isStreamOver: boolean;
  /** Methods of the requests that are sent here; null for the upstream's end. */
  readonly methods: string[] | null;
  /** HTTP/1 takes text, HTTP/2 parts of streams. */
  send(text: string): void;
  sendPart(part: StreamPart): void;
  end(): void;
  destroy(): void;
  /** Breaks off, by RST where the connection is HTTP/1. */
  reset(): void;
}

export class Endpoint implements Peer {
  readonly #socket: Socket;
  #text = "";
  #isClosed = false;
  readonly methods: string[] | null;
  #messages: Message[] | null = null;

  constructor(socket: Socket, changes: Changes, methods: string[] | null) {
    this.#socket = socket;
    this.methods = methods;
    socket.setNoDelay(true);
    socket.setEncoding("latin1").on("data", (text: string) => {
      this.#text += text;
      this.#messages = null;
      changes.wake();
    });
    const end = (): void => {
      this.#isClosed = true;
      this.#messages = null;
      changes.wake();
    };
    socket.on("end", end).on("close", end).on("error", end);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get messages(): readonly Message[] {
    this.#messages ??= readMessages(this.#text, {
      isClosed: this.#isClosed,
      methods: this.methods,
    });
    return this.#messages;
  }

  get finals(): readonly Message[] {
    return this.messages.filter((message) => !isInterim(message));
  }

  get isStreamOver(): boolean {
    return this.#isClosed;
  }

  send(text: string): void {
    this.#socket.write(text, "latin1");
  }

  sendPart(): void {
    throw new Error("an HTTP/1 connection has no streams");
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  reset(): void {
    this.#socket.resetAndDestroy();
  }
}

/** Opens a client's end; resolves when the kernel has accepted it. */
export function openSocket(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}
