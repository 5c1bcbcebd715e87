/**
 * What sockets that read into lent memory need of Node's inside: another buffer while none is being
 * read, and a write that ends before it returns. Where either is missing nothing is lent.
 */
import { writeSync } from "node:fs";
import type { Socket } from "node:net";

/** Found on Node 20 to 26. */
interface Handle {
  readonly fd?: number;
  useUserBuffer?(buffer: Uint8Array): void;
}

function handleOf(socket: Socket): Handle | null {
  return (socket as unknown as { readonly _handle: Handle | null })._handle;
}

export function canExchange(socket: Socket): boolean {
  return typeof handleOf(socket)?.useUserBuffer === "function";
}

/** The next read goes into `buffer`; not to be called while a read is being handled. */
export function exchangeBuffer(socket: Socket, buffer: Uint8Array): void {
  handleOf(socket)?.useUserBuffer?.(buffer);
}

/**
 * Writes what the kernel takes at once; how many bytes. No error comes from here: a socket that is
 * broken takes nothing, and says why when it is written to in the usual way.
 * @param handle of a plain socket that has nothing to write before
 */
export function writeNow(handle: object, bytes: Uint8Array): number {
  const { fd } = handle as Handle;
  if (fd === undefined || fd < 0) return 0;
  try {
    return writeSync(fd, bytes, 0, bytes.byteLength);
  } catch {
    return 0;
  }
}
