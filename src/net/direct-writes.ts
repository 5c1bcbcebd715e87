/**
 * Writes on the handle below a `net.Socket`, past the Writable on top of it. The kernel takes most
 * writes at once, and then the Writable's book-keeping (a request object, a queue, a tick for the
 * callback) is a large part of the cost (bench/micro/socket-writes.bench.ts).
 *
 * The handle's methods and its request class are Node's inside. They are not reached for but
 * learnt:
 * the first write of the thread goes through the socket while we look at what it hands to the
 * handle.
 * If anything is not as expected, every write goes through the socket.
 * @hot per-chunk
 */
import type { Socket } from "node:net";

/** Told about a write that the kernel did not take at once. */
export interface WriteOwner {
  onHandleWritten(status: number): void;
}

/** What Node calls WriteWrap. */
interface WriteRequest {
  oncomplete: ((this: WriteRequest, status: number) => void) | null;
  owner: WriteOwner | null;
  /** Keeps memory that the kernel still reads. */
  keeps: unknown;
}

/** The part of Node's TCP handle that is used; results are 0 or a negative errno. */
export interface StreamHandle {
  writeLatin1String(request: object, text: string): number;
  writeBuffer(request: object, bytes: Uint8Array): number;
  writev(request: object, parts: unknown[], allBuffers: boolean): number;
  /** Bytes that the kernel has not taken. */
  readonly writeQueueSize: number;
}

type WriteRequestClass = new () => WriteRequest;
let requestClass: WriteRequestClass | null = null;
let learning: "open" | "done" = "open";
/** A request that no pending write uses. */
let spare: WriteRequest | null = null;

function onComplete(this: WriteRequest, status: number): void {
  const { owner } = this;
  this.owner = null;
  this.keeps = null;
  owner?.onHandleWritten(status);
}

/**
 * The handle of a connected socket whose own queue is empty, or null when writes have to go through
 * the socket. Thread: any, each learns for itself.
 */
export function directHandleOf(socket: Socket): StreamHandle | null {
  const handle = (socket as unknown as { _handle: Partial<StreamHandle> | null })._handle;
  if (handle === null || !isStreamHandle(handle)) return null;
  if (requestClass !== null) return handle;
  if (learning === "open") learnFrom(handle);
  return null;
}

function isStreamHandle(handle: Partial<StreamHandle>): handle is StreamHandle {
  return (
    typeof handle.writeLatin1String === "function" &&
    typeof handle.writeBuffer === "function" &&
    typeof handle.writev === "function" &&
    typeof handle.writeQueueSize === "number"
  );
}

/** Looks at the request object of the next text that the socket writes. */
function learnFrom(handle: StreamHandle): void {
  const write = handle.writeLatin1String;
  handle.writeLatin1String = (request, text) => {
    handle.writeLatin1String = write;
    learning = "done";
    // Node 26 hands over null here, and makes a request only where the kernel does not take all.
    const made: unknown = (request as object | null)?.constructor;
    if (typeof made === "function" && made.name === "WriteWrap") {
      requestClass = made as WriteRequestClass;
    }
    return write.call(handle, request, text);
  };
}

function takeRequest(): WriteRequest {
  const request = spare ?? new (requestClass as WriteRequestClass)();
  spare = null;
  return request;
}

/** The write began; `error` is its result. Returns 0 when the kernel took all, 1 when it waits. */
function settle(handle: StreamHandle, request: WriteRequest, begun: Begun): number {
  if (begun.error !== 0) return begun.error;
  if (handle.writeQueueSize === 0) {
    spare = request;
    return 0;
  }
  request.oncomplete = onComplete;
  request.owner = begun.owner;
  request.keeps = begun.keeps;
  return 1;
}

/** Reused: a write begins and settles in one call. */
interface Begun {
  error: number;
  owner: WriteOwner | null;
  keeps: unknown;
}
const begun: Begun = { error: 0, owner: null, keeps: null };

/**
 * Writes latin1 text.
 * @returns 0: all is with the kernel; 1: `owner` is told when it is; negative: errno
 */
export function writeTextDirectly(handle: StreamHandle, text: string, owner: WriteOwner): number {
  const request = takeRequest();
  begun.error = handle.writeLatin1String(request, text);
  begun.owner = owner;
  begun.keeps = null;
  return settle(handle, request, begun);
}

/** Writes bytes, which stay untouched until the write is over. Result as above. */
export function writeBytesDirectly(
  handle: StreamHandle,
  bytes: Uint8Array,
  owner: WriteOwner,
): number {
  const request = takeRequest();
  begun.error = handle.writeBuffer(request, bytes);
  begun.owner = owner;
  begun.keeps = bytes;
  return settle(handle, request, begun);
}

/** Writes latin1 text and bytes as one segment. Result as above. */
export function writeBothDirectly(
  handle: StreamHandle,
  text: string,
  bytes: Uint8Array,
  owner: WriteOwner,
): number {
  const request = takeRequest();
  begun.error = handle.writev(request, [text, "latin1", bytes, "buffer"], false);
  begun.owner = owner;
  begun.keeps = bytes;
  return settle(handle, request, begun);
}
