/**
 * The Connection over one socket of the native addon: plain TCP, accepted or made. Reads go right
 * into the silo's window or a leased slab chunk; what the kernel does not take at once is kept and
 * sent when the socket is writable. Owned by whoever gets its events.
 * @hot per-chunk
 */
import { Socket } from "node:net";
import { assert } from "../base/assert.ts";
import { systemClock, type Timer } from "../base/clock.ts";
import { SOCKET_READY, type SocketCalls } from "../base/native.ts";
import type { BodyChunk } from "../shm/body-chunk.ts";
import type { BodySlab } from "../shm/body-slab.ts";
import type { AcceptedConnection } from "./accept.ts";
import type { ConnectTarget } from "./connect.ts";
import { dropDescriptor, type NativeSocketOwner, ownSocket } from "./native-sockets.ts";
import { ReadWindow, type WindowSocket } from "./read-window.ts";
import { connectError, socketError, WOULD_BLOCK } from "./socket-error.ts";
import { type ConnectEvents, type ConnectionEvents, JOIN_BYTES_MAX } from "./types.ts";
import { UnsentBytes } from "./unsent-bytes.ts";

/** Full buffers that one socket may read before the others have their turn. */
const READS_MAX = 8;

const { readable: READABLE, writable: WRITABLE, failed: FAILED } = SOCKET_READY;

function tellClose(connection: NativeConnection): void {
  connection.tellClose();
}

export class NativeConnection implements AcceptedConnection, NativeSocketOwner, WindowSocket {
  remoteAddress = "";
  remotePort = 0;
  localAddress = "";
  localPort = 0;
  bytesReceived = 0;
  bytesSent = 0;
  readonly tls = null;
  readonly #calls: SocketCalls;
  readonly #window: ReadWindow;
  #events: ConnectionEvents;
  /** Set while it connects: told of the outcome. */
  #connecting: ConnectEvents | null = null;
  #slot = -1;
  #buffer: Uint8Array;
  /** What the addon watches. */
  #watched = 0;
  readonly #unsent = new UnsentBytes();
  #paused = false;
  #peerEnded = false;
  /** No more bytes are written / told. */
  #ended = false;
  #discards = false;
  #closed = false;
  #inBytes = false;
  #error: Error | null = null;
  #linger: Timer | null = null;

  private constructor(calls: SocketCalls, events: ConnectionEvents, window: ReadWindow) {
    this.#calls = calls;
    this.#events = events;
    this.#window = window;
    this.#buffer = window.first();
    window.attach(this);
  }

  /** Takes over an accepted descriptor. Throws when it cannot, and has closed it then. */
  static adopt(
    calls: SocketCalls,
    fd: number,
    events: ConnectionEvents,
    slab: BodySlab,
  ): NativeConnection {
    const slot = calls.adopt(fd);
    if (slot < 0) {
      dropDescriptor(fd, slot);
      throw socketError("adopt", slot);
    }
    const connection = new NativeConnection(calls, events, new ReadWindow(slab, "idle"));
    connection.#open(slot);
    connection.#noteAddresses();
    return connection;
  }

  /** Begins to connect; the outcome is told in a later turn. */
  static connect(
    calls: SocketCalls,
    target: ConnectTarget,
    events: ConnectEvents,
    slab: BodySlab,
  ): NativeConnection {
    const connection = new NativeConnection(calls, events, new ReadWindow(slab, "always"));
    connection.remoteAddress = target.host;
    connection.remotePort = target.port;
    connection.#connecting = events;
    const slot = calls.connect(target.host, target.port);
    if (slot < 0) connection.fail(connectError(target, slot));
    else connection.#open(slot);
    return connection;
  }

  #open(slot: number): void {
    this.#slot = slot;
    ownSocket(slot, this);
    if (this.#connecting === null) this.#watch();
    else this.#watched = WRITABLE;
  }

  /** The socket forgets its addresses when it closes. */
  #noteAddresses(): void {
    const [peerIp, peerPort, localIp, localPort] = this.#calls.ends(this.#slot).split(" ");
    if (localIp === undefined) return;
    this.remoteAddress = peerIp as string;
    this.remotePort = Number(peerPort);
    this.localAddress = localIp;
    this.localPort = Number(localPort);
  }

  onReady(flags: number): void {
    if ((flags & FAILED) !== 0) this.#watched = 0;
    if (this.#connecting !== null) {
      this.#decideConnect(this.#connecting);
      return;
    }
    if ((flags & (WRITABLE | FAILED)) !== 0 && !this.#unsent.isEmpty) this.#flush();
    if ((flags & (READABLE | FAILED)) !== 0 && this.#reads()) this.#read();
    if (!this.#closed) this.#watch();
  }

  #decideConnect(events: ConnectEvents): void {
    const result = this.#calls.takeError(this.#slot);
    if (result < 0) {
      const { remoteAddress: host, remotePort: port } = this;
      this.fail(connectError({ host, port }, result));
      return;
    }
    this.#connecting = null;
    this.#noteAddresses();
    this.#watch();
    if (!this.#unsent.isEmpty) this.#flush();
    else if (this.#ended) this.#finish();
    events.onConnect();
  }

  /** Tells the addon what there is to wait for. */
  #watch(): void {
    if (this.#closed || this.#connecting !== null) return;
    const wanted = (this.#reads() ? READABLE : 0) | (this.#unsent.isEmpty ? 0 : WRITABLE);
    if (wanted === this.#watched) return;
    this.#watched = wanted;
    this.#calls.watch(this.#slot, wanted);
  }

  #reads(): boolean {
    return !(this.#closed || this.#paused || this.#peerEnded || this.#connecting !== null);
  }

  #read(): void {
    for (let i = 0; i < READS_MAX; i++) {
      const buffer = this.#buffer;
      const length = this.#calls.receive(this.#slot, buffer);
      if (length <= 0) {
        this.#readNothing(length);
        return;
      }
      this.#receive(buffer, length);
      if (length < buffer.length || !this.#reads()) return;
    }
  }

  #receive(buffer: Uint8Array, length: number): void {
    this.bytesReceived += length;
    if (this.#discards) return;
    this.#window.filled(length);
    this.#inBytes = true;
    this.#events.onBytes(buffer, length);
    this.#inBytes = false;
    this.#window.settle();
    if (!this.#closed) this.#buffer = this.#window.next() ?? buffer;
  }

  #readNothing(result: number): void {
    if (result === WOULD_BLOCK) return;
    if (result < 0) {
      this.fail(socketError("read", result));
      return;
    }
    this.#peerEnded = true;
    this.#watch();
    if (!this.#discards) this.#events.onPeerEnd();
    this.#closeWhenOver();
  }

  /** Both directions are over. */
  #closeWhenOver(): void {
    if (this.#peerEnded && this.#ended && this.#unsent.isEmpty) this.#close(0);
  }

  retarget(events: ConnectionEvents): void {
    this.#events = events;
  }

  release(): Socket {
    assert(!this.#closed && this.#unsent.isEmpty, "release of an open connection");
    ownSocket(this.#slot, null);
    const fd = this.#calls.release(this.#slot);
    this.#discards = true;
    this.#ended = true;
    this.#closed = true;
    this.#linger?.cancel();
    this.#window.end();
    const options = { fd, allowHalfOpen: true, manualStart: true };
    return new Socket(options as { fd: number });
  }

  /** Ends it with `error`, unless it has ended. */
  fail(error: Error): void {
    this.#error ??= error;
    this.#close(0);
  }

  get pendingBytes(): number {
    return this.#unsent.byteLength;
  }

  chunkOf(start: number, end: number): BodyChunk {
    assert(this.#inBytes, "bytes of the current read");
    return this.#window.chunkOf(start, end);
  }

  bodyLeft(): number {
    return this.#events.bodyLeft?.() ?? 0;
  }

  get isReading(): boolean {
    return this.#inBytes;
  }

  readonly canExchange = true;

  exchangeBuffer(buffer: Uint8Array): void {
    this.#buffer = buffer;
  }

  expectBody(): void {
    this.#window.expectBody();
  }

  bodyDone(): void {
    this.#window.bodyDone();
  }

  writeText(text: string): boolean {
    if (this.#ended) return true;
    this.bytesSent += text.length;
    if (this.#waits()) return this.#keepText(text, 0);
    const sent = this.#calls.sendText(this.#slot, text);
    return sent === text.length || this.#isTaken(sent) || this.#keepText(text, Math.max(sent, 0));
  }

  writeTextAndChunk(text: string, chunk: BodyChunk): boolean {
    const length = chunk.byteLength;
    if (length <= JOIN_BYTES_MAX) return this.writeText(text + chunk.latin1());
    if (this.#ended) return true;
    this.bytesSent += text.length + length;
    if (this.#waits()) {
      this.#keepText(text, 0);
      return this.#keepChunk(chunk, 0);
    }
    const sent = this.#calls.sendBoth(this.#slot, text, chunk.bytes);
    if (sent === text.length + length || this.#isTaken(sent)) return true;
    if (sent < text.length) this.#keepText(text, Math.max(sent, 0));
    return this.#keepChunk(chunk, Math.max(sent - text.length, 0));
  }

  writeChunk(chunk: BodyChunk): boolean {
    if (this.#ended) return true;
    this.bytesSent += chunk.byteLength;
    if (this.#waits()) return this.#keepChunk(chunk, 0);
    const sent = this.#calls.sendBytes(this.#slot, chunk.bytes, 0);
    if (sent === chunk.byteLength || this.#isTaken(sent)) return true;
    return this.#keepChunk(chunk, Math.max(sent, 0));
  }

  /** Bytes must queue behind others, or for the connection. */
  #waits(): boolean {
    return this.#connecting !== null || !this.#unsent.isEmpty;
  }

  /** Nothing is to be kept, because the connection failed. */
  #isTaken(sent: number): boolean {
    if (sent >= 0 || sent === WOULD_BLOCK) return false;
    this.fail(socketError("write", sent));
    return true;
  }

  #keepText(text: string, from: number): false {
    this.#unsent.addText(text, from);
    this.#watch();
    return false;
  }

  #keepChunk(chunk: BodyChunk, from: number): false {
    this.#unsent.addChunk(chunk, from);
    this.#watch();
    return false;
  }

  #flush(): void {
    const result = this.#unsent.send(this.#calls, this.#slot);
    if (result < 0) this.fail(socketError("write", result));
    else if (!this.#unsent.isEmpty) return;
    else if (this.#ended) this.#finish();
    else this.#events.onWritable();
  }

  pause(): void {
    this.#paused = true;
    this.#watch();
  }

  resume(): void {
    this.#paused = false;
    this.#watch();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (!this.#waits()) this.#finish();
  }

  #finish(): void {
    const result = this.#calls.finish(this.#slot);
    if (result < 0) this.fail(socketError("shutdown", result));
    else this.#closeWhenOver();
  }

  closeAfterFlush(lingerMs: number): void {
    if (this.#discards || this.#closed) return;
    this.#discards = true;
    // Unread input would turn the close into a reset, which destroys the answer on its way.
    this.resume();
    this.end();
    if (!this.#closed) this.#linger = systemClock.after(lingerMs, () => this.destroy());
  }

  destroy(): void {
    this.#discards = true;
    this.#close(0);
  }

  reset(): void {
    this.#discards = true;
    this.#close(1);
  }

  #close(reset: 0 | 1): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#ended = true;
    if (this.#slot >= 0) {
      ownSocket(this.#slot, null);
      this.#calls.close(this.#slot, reset);
    }
    this.#linger?.cancel();
    this.#window.end();
    this.#unsent.clear();
    // Never from inside a call of the owner.
    process.nextTick(tellClose, this);
  }

  tellClose(): void {
    this.#events.onClose(this.#error);
  }
}
