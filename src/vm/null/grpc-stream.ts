/** A gRPC stream as filters see it: messages are kept until somebody asks for them. */
import type { GrpcStream } from "./api.ts";
import { ContextEndedError } from "./errors.ts";
import type { Wait, Waits } from "./waits.ts";

interface StreamOptions {
  readonly waits: Waits;
  send(message: Uint8Array, end: boolean): void;
  close(): void;
  cancel(): void;
}

type Next = IteratorResult<Uint8Array, undefined>;
const END: Next = { done: true, value: undefined };

export class ReceivingStream implements GrpcStream {
  readonly #options: StreamOptions;
  readonly #messages: Uint8Array[] = [];
  #waiting: { resolve(next: Next): void; readonly wait: Wait } | null = null;
  #isOver = false;
  /** Why it ended; null = with status 0. Told once. */
  #error: Error | null = null;

  readonly #release: () => void;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#release = options.waits.hold(() => this.cancel());
  }

  send(message: Uint8Array, end = false): void {
    this.#options.send(message, end);
  }

  close(): void {
    this.#options.close();
  }

  cancel(): void {
    if (this.#isOver) return;
    this.#options.cancel();
    this.closed(null);
  }

  arrived(message: Uint8Array): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting === null) this.#messages.push(message);
    else waiting.resolve({ done: false, value: message });
  }

  /** Nothing more comes. */
  closed(error: Error | null): void {
    this.#isOver = true;
    this.#release();
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting === null) this.#error = error;
    else if (error === null) waiting.resolve(END);
    else waiting.wait.reject(error);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return {
      next: () => this.#next(),
      return: () => {
        this.cancel();
        return Promise.resolve(END);
      },
    };
  }

  #next(): Promise<Next> {
    return this.#options.waits.promise<Next>((wait, resolve) => {
      if (this.#waiting !== null) throw new Error("a gRPC stream is read by one reader at a time");
      const message = this.#messages.shift();
      if (message !== undefined) resolve({ done: false, value: message });
      else if (!this.#isOver) this.#wait(wait, resolve);
      else if (this.#error === null) resolve(END);
      else this.#fail(wait);
    });
  }

  #wait(wait: Wait, resolve: (next: Next) => void): void {
    this.#waiting = { wait, resolve };
    wait.cancel = () => {
      this.#waiting = null;
    };
  }

  #fail(wait: Wait): void {
    const error = this.#error ?? new ContextEndedError();
    this.#error = null;
    wait.reject(error);
  }
}
