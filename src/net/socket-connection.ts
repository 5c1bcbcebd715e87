/**
 * The Connection over one `net.Socket` or `tls.TLSSocket`: writes, flow control, the end. What differs
 * between them (where bytes come from, when the connection is ready) is set up by the factories in
 * accept.ts and connect.ts. An error of the socket is kept and told by `onClose`; none is thrown.
 * @hot per-chunk
 */
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { present } from "../base/assert.ts";
import { systemClock, type Timer } from "../base/clock.ts";
import { BodyChunk } from "../shm/body-chunk.ts";
import type { ReadWindow } from "./read-window.ts";
import { tlsInfoOf } from "./tls-info.ts";
import type { Connection, ConnectionEvents, TlsInfo } from "./types.ts";

/** Bodies up to this size are copied behind the text, which is cheaper than a second segment. */
const JOIN_BYTES_MAX = 4_096;

interface Latin1Bytes {
  latin1Slice(this: Uint8Array, start: number, end: number): string;
}
const { latin1Slice } = Buffer.prototype as unknown as Latin1Bytes;

/** High watermark of the sockets: backpressure is ours, so that Node's own never speaks. */
export const SOCKET_BUFFER_BYTES = 0x3fffffff;

export class SocketConnection implements Connection {
  remoteAddress = "";
  remotePort = 0;
  localAddress = "";
  localPort = 0;
  bytesReceived = 0;
  bytesSent = 0;
  readonly #events: ConnectionEvents;
  /** null: the socket gives heap memory by `data` events. */
  readonly #window: ReadWindow | null;
  #socket: Socket | null = null;
  #secure: TLSSocket | null = null;
  #tls: TlsInfo | null = null;
  #current: Uint8Array | null = null;
  readonly #kept: BodyChunk[] = [];
  #blocked = false;
  /** No more bytes go out / come in. */
  #ended = false;
  #discards = false;
  #closed = false;
  #error: Error | null = null;
  #linger: Timer | null = null;
  readonly #written: () => void;

  constructor(events: ConnectionEvents, window: ReadWindow | null) {
    this.#events = events;
    this.#window = window;
    this.#written = () => this.#onWritten();
  }

  /** Binds the socket. Its `secure` side, when it has one, tells about TLS. */
  attach(socket: Socket, secure: TLSSocket | null): void {
    this.#socket = socket;
    this.#secure = secure;
    socket.on("error", (error) => this.fail(error));
    socket.on("end", () => {
      if (!this.#discards && !socket.destroyed) this.#events.onPeerEnd();
    });
    socket.on("close", () => this.#onClose());
    this.noteAddresses(socket);
  }

  /** Reads the addresses, which the socket forgets when it closes. */
  noteAddresses(socket: Socket): void {
    this.remoteAddress = socket.remoteAddress ?? this.remoteAddress;
    this.remotePort = socket.remotePort ?? this.remotePort;
    this.localAddress = socket.localAddress ?? this.localAddress;
    this.localPort = socket.localPort ?? this.localPort;
  }

  /** Keeps the first error for `onClose`. */
  fail(error: Error): void {
    this.#error ??= error;
  }

  /** `length` bytes arrived in `buffer`. */
  receive(buffer: Uint8Array, length: number): void {
    this.bytesReceived += length;
    if (this.#discards || this.#closed) return;
    this.#current = buffer;
    this.#window?.filled(length);
    this.#events.onBytes(buffer, length);
    this.#current = null;
  }

  get tls(): TlsInfo | null {
    if (this.#secure === null) return null;
    this.#tls ??= tlsInfoOf(this.#secure);
    return this.#tls;
  }

  get pendingBytes(): number {
    return this.#closed ? 0 : (this.#socket?.writableLength ?? 0);
  }

  chunkOf(start: number, end: number): BodyChunk {
    const current = present(this.#current, "buffer of a read");
    if (this.#window !== null) return this.#window.chunkOf(current, start, end);
    return BodyChunk.ofHeap(current.subarray(start, end));
  }

  expectBody(): void {
    this.#window?.expectBody();
  }

  bodyDone(): void {
    this.#window?.bodyDone();
  }

  writeText(text: string): boolean {
    const socket = this.#socket as Socket;
    if (this.#ended || socket.destroyed) return true;
    this.bytesSent += text.length;
    socket.write(text, "latin1", this.#written);
    return this.#isFlushed(socket, null);
  }

  writeTextAndChunk(text: string, chunk: BodyChunk): boolean {
    const socket = this.#socket as Socket;
    if (this.#ended || socket.destroyed) return true;
    const length = chunk.bytes.byteLength;
    this.bytesSent += text.length + length;
    if (length <= JOIN_BYTES_MAX) {
      const body = latin1Slice.call(chunk.bytes, 0, length);
      socket.write(text + body, "latin1", this.#written);
      return this.#isFlushed(socket, null);
    }
    socket.cork();
    socket.write(text, "latin1");
    socket.write(chunk.bytes, this.#written);
    socket.uncork();
    return this.#isFlushed(socket, chunk);
  }

  writeChunk(chunk: BodyChunk): boolean {
    const socket = this.#socket as Socket;
    if (this.#ended || socket.destroyed) return true;
    this.bytesSent += chunk.bytes.byteLength;
    socket.write(chunk.bytes, this.#written);
    return this.#isFlushed(socket, chunk);
  }

  /** Did the kernel take everything? If not, `chunk` is kept until it has. */
  #isFlushed(socket: Socket, chunk: BodyChunk | null): boolean {
    if (socket.writableLength === 0) return true;
    if (chunk !== null) {
      chunk.retain();
      this.#kept.push(chunk);
    }
    this.#blocked = true;
    return false;
  }

  #onWritten(): void {
    if (!this.#blocked || this.pendingBytes > 0) return;
    this.#blocked = false;
    this.#releaseKept();
    if (!this.#closed && !this.#ended) this.#events.onWritable();
  }

  #releaseKept(): void {
    const kept = this.#kept;
    for (let i = 0; i < kept.length; i++) (kept[i] as BodyChunk).release();
    kept.length = 0;
  }

  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket?.end();
  }

  closeAfterFlush(lingerMs: number): void {
    if (this.#discards || this.#closed) return;
    this.#discards = true;
    this.end();
    // Unread input would turn the close into a reset, which destroys the answer on its way.
    this.resume();
    this.#linger = systemClock.after(lingerMs, () => this.destroy());
  }

  destroy(): void {
    this.#discards = true;
    this.#ended = true;
    this.#socket?.destroy();
  }

  #onClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#linger?.cancel();
    this.#window?.close();
    this.#releaseKept();
    this.#events.onClose(this.#error);
  }
}
