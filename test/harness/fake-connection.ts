/**
 * A connection without a socket: records what is written, and the test plays the peer and the
 * kernel.
 */
import type { ConnectEvents, Connection, TlsInfo } from "../../src/net/types.ts";
import { BodyChunk } from "../../src/shm/body-chunk.ts";

export class FakeConnection implements Connection {
  readonly remoteAddress = "10.0.0.1";
  readonly remotePort = 80;
  readonly localAddress = "10.0.0.99";
  readonly localPort = 40000;
  readonly tls: TlsInfo | null = null;
  readonly bytesReceived = 0;
  bytesSent = 0;
  pendingBytes = 0;
  /** One entry for each write, latin1. */
  readonly writes: string[] = [];
  /** What was called that is not a write, in order. */
  readonly calls: string[] = [];
  /** Chunks made by `chunkOf`. */
  readonly chunks: BodyChunk[] = [];
  /** While true the kernel takes nothing. */
  stalled = false;
  readonly events: ConnectEvents;
  #buffer: Uint8Array = new Uint8Array(0);

  constructor(events: ConnectEvents) {
    this.events = events;
  }

  get destroyed(): boolean {
    return this.calls.includes("destroy");
  }

  /** Everything written so far. */
  get sent(): string {
    return this.writes.join("");
  }

  /** The peer sends latin1 text. */
  receive(text: string): void {
    this.#buffer = Buffer.from(text, "latin1");
    this.events.onBytes(this.#buffer, this.#buffer.length);
  }

  /** The kernel takes everything that is pending, and whatever comes. */
  drain(): void {
    this.stalled = false;
    this.pendingBytes = 0;
    this.events.onWritable();
  }

  chunkOf(start: number, end: number): BodyChunk {
    const chunk = BodyChunk.ofHeap(this.#buffer.slice(start, end));
    this.chunks.push(chunk);
    return chunk;
  }

  expectBody(): void {
    this.calls.push("expectBody");
  }

  bodyDone(): void {
    this.calls.push("bodyDone");
  }

  writeText(text: string): boolean {
    return this.#write(text);
  }

  writeTextAndChunk(text: string, chunk: BodyChunk): boolean {
    return this.#write(text + Buffer.from(chunk.bytes).toString("latin1"));
  }

  writeChunk(chunk: BodyChunk): boolean {
    return this.#write(Buffer.from(chunk.bytes).toString("latin1"));
  }

  pause(): void {
    this.calls.push("pause");
  }

  resume(): void {
    this.calls.push("resume");
  }

  end(): void {
    this.calls.push("end");
  }

  closeAfterFlush(): void {
    this.calls.push("closeAfterFlush");
  }

  reset(): void {
    this.destroy();
  }

  destroy(): void {
    this.calls.push("destroy");
  }

  #write(text: string): boolean {
    this.writes.push(text);
    if (this.stalled) this.pendingBytes += text.length;
    else this.bytesSent += text.length;
    return !this.stalled;
  }
}
