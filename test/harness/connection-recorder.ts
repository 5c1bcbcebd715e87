/**
 * The owner of a Connection in tests: writes down what it is told and lets tests wait for it.
 */

import type { ConnectEvents, Connection } from "../../src/net/types.ts";
import type { BodyChunk } from "../../src/shm/body-chunk.ts";

export class ConnectionRecorder implements ConnectEvents {
  /** Set by the test as soon as it has it. */
  connection: Connection | null = null;
  text = "";
  readonly calls: string[] = [];
  readonly chunks: BodyChunk[] = [];
  readonly buffers = new Set<ArrayBufferLike>();
  error: Error | null = null;
  /** What to do with bytes beside recording them. */
  handle: (connection: Connection, buffer: Uint8Array, length: number) => void = () => undefined;
  #waiting: { readonly holds: () => boolean; readonly resume: () => void }[] = [];

  onConnect(): void {
    this.#note("connect");
  }

  onSecure(): "read" {
    return "read";
  }

  onBytes(buffer: Uint8Array, length: number): void {
    this.text += Buffer.from(buffer.subarray(0, length)).toString("latin1");
    this.buffers.add(buffer.buffer);
    if (this.connection !== null) this.handle(this.connection, buffer, length);
    this.#note("bytes");
  }

  onPeerEnd(): void {
    this.#note("peerEnd");
  }

  onWritable(): void {
    this.#note("writable");
  }

  onClose(error: Error | null): void {
    this.error = error;
    this.#note("close");
  }

  #note(call: string): void {
    this.calls.push(call);
    const waiting = this.#waiting;
    this.#waiting = waiting.filter(({ holds }) => !holds());
    for (const { holds, resume } of waiting) if (holds()) resume();
  }

  has(call: string): boolean {
    return this.calls.includes(call);
  }

  /** Resolves when `holds()` does after a call. */
  until(holds: () => boolean): Promise<void> {
    if (holds()) return Promise.resolve();
    return new Promise((resume) => this.#waiting.push({ holds, resume }));
  }

  closed(): Promise<void> {
    return this.until(() => this.has("close"));
  }
}
