/**
 * The Connection over one `net.Socket` or `tls.TLSSocket`: writes, flow control, the end. What
 * differs
 * between them (where bytes come from, when the connection is ready) is set up by the factories in
 * accept.ts and connect.ts. An error of the socket is kept and told by `onClose`; none is thrown.
 * @hot per-chunk
 */
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { present } from "../base/assert.ts";
import { systemClock, type Timer } from "../base/clock.ts";
import { BodyChunk } from "../shm/body-chunk.ts";
import { bodyCopies } from "../shm/body-copies.ts";
import {
  directHandleOf,
  type StreamHandle,
  type WriteOwner,
  writeBothDirectly,
  writeBytesDirectly,
  writeTextDirectly,
} from "./direct-writes.ts";
import { canExchange, exchangeBuffer, writeNow } from "./lent-memory.ts";
import type { ReadWindow, WindowSocket } from "./read-window.ts";
import { socketError } from "./socket-error.ts";
import { tlsInfoOf } from "./tls-info.ts";
import { type Connection, type ConnectionEvents, JOIN_BYTES_MAX, type TlsInfo } from "./types.ts";

/** High watermark of the sockets: backpressure is ours, so that Node's own never speaks. */
export const SOCKET_BUFFER_BYTES = 0x3fffffff;

export class SocketConnection implements Connection, WriteOwner, WindowSocket {
  remoteAddress = "";
  remotePort = 0;
  localAddress = "";
  localPort = 0;
  bytesReceived = 0;
  bytesSent = 0;
  #events: ConnectionEvents;
  /** null: the socket gives heap memory by `data` events. */
  readonly #window: ReadWindow | null;
  #socket: Socket | null = null;
  #secure: TLSSocket | null = null;
  #tls: TlsInfo | null = null;
  #current: Uint8Array | null = null;
  /** The current bytes do not lie in the window. */
  #isEarly = false;
  readonly #kept: BodyChunk[] = [];
  #blocked = false;
  /** No more bytes go out / come in. */
  #ended = false;
  #discards = false;
  #closed = false;
  #error: Error | null = null;
  #linger: Timer | null = null;
  readonly #written: () => void;
  /**
   * The handle to write on, while the socket's own queue is empty; null: write through the socket.
   */
  #handle: StreamHandle | null = null;

  constructor(events: ConnectionEvents, window: ReadWindow | null) {
    this.#events = events;
    this.#window = window;
    this.#written = () => this.#onWritten();
  }

  /** Binds the socket. Its `secure` side, when it has one, tells about TLS. */
  attach(socket: Socket, secure: TLSSocket | null): void {
    this.#socket = socket;
    this.#secure = secure;
    this.#window?.attach(this);
    socket.on("error", (error) => this.fail(error));
    socket.on("end", () => {
      if (!this.#discards && !socket.destroyed) this.#events.onPeerEnd();
    });
    socket.on("close", () => this.#onClose());
    this.noteAddresses(socket);
  }

  /** Events go to `events` from now on. */
  retarget(events: ConnectionEvents): void {
    this.#events = events;
  }

  /** Gives the socket away: this object does nothing with it any more, and tells nothing. */
  release(): Socket {
    this.#discards = true;
    this.#ended = true;
    this.#closed = true;
    this.#linger?.cancel();
    this.#window?.end();
    this.#releaseKept();
    return present(this.#socket, "socket");
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
    const window = this.#window;
    if (window === null) {
      this.#current = buffer;
      this.#events.onBytes(buffer, length);
      this.#current = null;
      return;
    }
    const bytes = window.bufferRead(buffer);
    this.#current = bytes;
    window.filled(length);
    this.#events.onBytes(bytes, length);
    this.#current = null;
    window.settle();
  }

  bodyLeft(): number {
    return this.#events.bodyLeft?.() ?? 0;
  }

  get isReading(): boolean {
    return this.#current !== null;
  }

  get canExchange(): boolean {
    return this.#socket !== null && canExchange(this.#socket);
  }

  exchangeBuffer(buffer: Uint8Array): void {
    if (this.#socket !== null) exchangeBuffer(this.#socket, buffer);
  }

  /** Bytes that were read before this object was made, in memory of their own. */
  receiveEarly(bytes: Uint8Array): void {
    const length = bytes.byteLength;
    this.bytesReceived += length;
    if (this.#discards || this.#closed) return;
    this.#current = bytes;
    this.#isEarly = true;
    this.#events.onBytes(bytes, length);
    this.#isEarly = false;
    this.#current = null;
  }

  get tls(): TlsInfo | null {
    if (this.#secure === null) return null;
    this.#tls ??= tlsInfoOf(this.#secure);
    return this.#tls;
  }

  get pendingBytes(): number {
    if (!this.#blocked || this.#closed) return 0;
    const queued = (this.#socket as Socket).writableLength;
    return this.#handle === null ? queued : queued + this.#handle.writeQueueSize;
  }

  chunkOf(start: number, end: number): BodyChunk {
    const current = present(this.#current, "buffer of a read");
    if (this.#window !== null && !this.#isEarly) return this.#window.chunkOf(start, end);
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
    const handle = this.#handle;
    if (handle !== null) return this.#settle(writeTextDirectly(handle, text, this), null);
    socket.write(text, "latin1", this.#written);
    return this.#isFlushed(socket, null);
  }

  writeTextAndChunk(text: string, chunk: BodyChunk): boolean {
    const length = chunk.byteLength;
    if (length <= JOIN_BYTES_MAX) return this.writeText(text + chunk.latin1());
    if (chunk.isLent) {
      this.writeText(text);
      return this.#writeLent(chunk);
    }
    const socket = this.#socket as Socket;
    if (this.#ended || socket.destroyed) return true;
    this.bytesSent += text.length + length;
    const handle = this.#handle;
    if (handle !== null) {
      return this.#settle(writeBothDirectly(handle, text, chunk.bytes, this), chunk);
    }
    socket.cork();
    socket.write(text, "latin1");
    socket.write(chunk.bytes, this.#written);
    socket.uncork();
    return this.#isFlushed(socket, chunk);
  }

  writeChunk(chunk: BodyChunk): boolean {
    if (chunk.isLent) return this.#writeLent(chunk);
    return this.#writeOwn(chunk);
  }

  /** Bytes in lent memory: they go out now, or from a copy. */
  #writeLent(chunk: BodyChunk): boolean {
    const handle = this.#handle;
    const isIdle = handle !== null && !this.#blocked && !this.#ended;
    const sent = isIdle ? writeNow(handle, chunk.bytes) : 0;
    this.bytesSent += sent;
    if (sent === chunk.byteLength) return true;
    const rest = Buffer.from(chunk.bytes.subarray(sent));
    bodyCopies.lent.add(rest.byteLength);
    return this.#writeOwn(BodyChunk.ofHeap(rest));
  }

  #writeOwn(chunk: BodyChunk): boolean {
    const socket = this.#socket as Socket;
    if (this.#ended || socket.destroyed) return true;
    this.bytesSent += chunk.byteLength;
    const handle = this.#handle;
    if (handle !== null) return this.#settle(writeBytesDirectly(handle, chunk.bytes, this), chunk);
    socket.write(chunk.bytes, this.#written);
    return this.#isFlushed(socket, chunk);
  }

  /** The result of a write on the handle. */
  #settle(result: number, chunk: BodyChunk | null): boolean {
    if (result === 0) return true;
    if (result === 1) {
      this.#keep(chunk);
      return false;
    }
    this.#socket?.destroy(socketError("write", result));
    return true;
  }

  /** Did the kernel take everything that went through the socket? */
  #isFlushed(socket: Socket, chunk: BodyChunk | null): boolean {
    if (socket.writableLength > 0) {
      this.#keep(chunk);
      return false;
    }
    if (!this.#isSecureOrConnecting(socket)) this.#handle = directHandleOf(socket);
    return true;
  }

  /** TLS has to see the bytes, and a socket that connects has no use of its handle yet. */
  #isSecureOrConnecting(socket: Socket): boolean {
    return this.#secure !== null || socket.connecting;
  }

  /** Something is pending: `chunk` is kept until all has left. */
  #keep(chunk: BodyChunk | null): void {
    if (chunk !== null) {
      chunk.retain();
      this.#kept.push(chunk);
    }
    this.#blocked = true;
  }

  onHandleWritten(status: number): void {
    if (status < 0 && !this.#closed) this.#socket?.destroy(socketError("write", status));
    else this.#onWritten();
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

  reset(): void {
    this.#discards = true;
    this.#ended = true;
    // A TLS socket has a TCP socket below it, which alone could send the RST.
    if (this.#secure === null) this.#socket?.resetAndDestroy();
    else this.#socket?.destroy();
  }

  #onClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#linger?.cancel();
    this.#window?.end();
    this.#releaseKept();
    this.#events.onClose(this.#error);
  }
}
