/**
 * Writes on the handle below a `net.Socket`, past the Writable on top of it. The kernel takes most
 * writes at once, and then the Writable's book-keeping (a request object, a queue, a tick for the
 * callback) is a large part of the cost (bench/micro/socket-writes.bench.ts).
 *
 * The handle's methods and its request class are Node's inside. They are not reached for but
 * learnt:
 * the first write of the thread goes through the socket while we look at what it hands to the
 * handle.
 * If anything is not as expected, every write goes through the socket. Node up to 24 wants a
 * request with each write; Node 26 takes null, and gives one where the kernel has not taken all.
 * @hot per-chunk
 */
import type { Socket } from "node:net";

/** Told about a write that the kernel did not take at once. */
export interface WriteOwner {
  onHandleWritten(status: number): void;
}

/** What Node calls WriteWrap. */
interface WriteRequest {
  /** Node 26: the result of a write that ended before anybody could be told; else null. */
  writeStatus?: number | null;
  oncomplete: ((this: WriteRequest, status: number) => void) | null;
  owner: WriteOwner | null;
  /** Keeps memory that the kernel still reads. */
  keeps: unknown;
}

/** 0, a negative errno, or the request that Node made of a write that waits. */
type WriteResult = number | WriteRequest;

/** The part of Node's TCP handle that is used. */
export interface StreamHandle {
  writeLatin1String(request: object | null, text: string): WriteResult;
  writeBuffer(request: object | null, bytes: Uint8Array): WriteResult;
  writev(request: object | null, parts: unknown[], allBuffers: boolean): WriteResult;
  /** Bytes that the kernel has not taken. */
  readonly writeQueueSize: number;
}

type WriteRequestClass = new () => WriteRequest;
/** Null where Node makes the requests itself. */
let requestClass: WriteRequestClass | null = null;
let learning: "open" | "known" | "failed" = "open";
/** A failed write of which Node does not say why: the connection is broken. */
const EPIPE = -32;
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
  if (learning === "known") return handle;
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

/** Looks at the request and the result of the next text that the socket writes. */
function learnFrom(handle: StreamHandle): void {
  const write = handle.writeLatin1String;
  handle.writeLatin1String = (request, text) => {
    handle.writeLatin1String = write;
    const result = write.call(handle, request, text);
    const made = requestClassOf(request);
    learning = "failed";
    if (made !== null && typeof result === "number") {
      requestClass = made;
      learning = "known";
    } else if (request === null && (result === 0 || requestClassOf(result) !== null)) {
      learning = "known";
    }
    return result;
  };
}

function requestClassOf(request: unknown): WriteRequestClass | null {
  const made: unknown = (request as object | null)?.constructor;
  return typeof made === "function" && made.name === "WriteWrap"
    ? (made as WriteRequestClass)
    : null;
}

function takeRequest(): WriteRequest | null {
  if (requestClass === null) return null;
  const request = spare ?? new requestClass();
  spare = null;
  return request;
}

/** The write began. Returns 0 when the kernel took all, 1 when it waits, or a negative errno. */
function settle(handle: StreamHandle, given: WriteRequest | null, begun: Begun): number {
  const { result } = begun;
  let request = given;
  if (typeof result !== "number") {
    const status = result.writeStatus;
    if (typeof status === "number") return status;
    // Neither told nor waiting: it failed.
    if (handle.writeQueueSize === 0) return EPIPE;
    request = result;
  } else if (result !== 0 || request === null) {
    return result;
  } else if (handle.writeQueueSize === 0) {
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
  result: WriteResult;
  owner: WriteOwner | null;
  keeps: unknown;
}
const begun: Begun = { result: 0, owner: null, keeps: null };

/**
 * Writes latin1 text.
 * @returns 0: all is with the kernel; 1: `owner` is told when it is; negative: errno
 */
export function writeTextDirectly(handle: StreamHandle, text: string, owner: WriteOwner): number {
  const request = takeRequest();
  begun.result = handle.writeLatin1String(request, text);
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
  begun.result = handle.writeBuffer(request, bytes);
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
  begun.result = handle.writev(request, [text, "latin1", bytes, "buffer"], false);
  begun.owner = owner;
  begun.keeps = bytes;
  return settle(handle, request, begun);
}
