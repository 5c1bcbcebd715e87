/**
 * Latin1 text in bytes: one code unit = one byte. Node's Buffer copies long text natively; short
 * text is cheaper to copy in JavaScript than to call out for.
 * @hot per-hostcall
 */

/** What Node's Buffer has beyond Uint8Array and its declarations leave out. */
export interface Latin1Bytes extends Uint8Array<ArrayBuffer> {
  latin1Slice(start: number, end: number): string;
  latin1Write(text: string, at: number, length: number): number;
  utf8Slice(start: number, end: number): string;
}

const SHORT_TEXT_LENGTH = 24;

/** The same memory with text methods; no copy. */
export function latin1Bytes(buffer: ArrayBufferLike, offset: number, length: number): Latin1Bytes {
  return Buffer.from(buffer as ArrayBuffer, offset, length) as unknown as Latin1Bytes;
}

/**
 * Writes `text` at `at`; it fits, the caller has checked. Code units above 0xFF lose their high
 * byte.
 */
export function putLatin1(target: Latin1Bytes, at: number, text: string): void {
  const length = text.length;
  if (length > SHORT_TEXT_LENGTH) target.latin1Write(text, at, length);
  else for (let i = 0; i < length; i++) target[at + i] = text.charCodeAt(i);
}
