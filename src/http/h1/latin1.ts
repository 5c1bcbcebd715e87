/**
 * Bytes to latin1 strings through the engine's own slice, which skips the argument checks of
 * `Buffer.toString`.
 * @hot per-request
 */
interface Latin1Bytes {
  latin1Slice(this: Uint8Array, start: number, end: number): string;
}

const latin1Slice = (Buffer.prototype as unknown as Latin1Bytes).latin1Slice;

/** Bytes `[start, end)` as a string with one code unit per byte. */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  return latin1Slice.call(bytes, start, end);
}
