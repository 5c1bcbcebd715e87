/**
 * The body of a callout's answer while it arrives: one block of memory that grows by doubling, so
 * that a body of single bytes costs no object per byte. Capped by the caller.
 */
const FIRST_BYTES = 1_024;
const EMPTY = new Uint8Array(0);

export class ReplyBody {
  #bytes = EMPTY;
  #byteLength = 0;

  get byteLength(): number {
    return this.#byteLength;
  }

  append(bytes: Uint8Array): void {
    const needed = this.#byteLength + bytes.byteLength;
    if (needed > this.#bytes.byteLength) {
      // The usual answer is one chunk: it gets exactly the memory it needs.
      const grown = this.#byteLength === 0 ? needed : Math.max(FIRST_BYTES, needed * 2);
      const larger = new Uint8Array(grown);
      larger.set(this.#bytes.subarray(0, this.#byteLength), 0);
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, this.#byteLength);
    this.#byteLength = needed;
  }

  /** What has arrived. Not to be appended to afterwards. */
  take(): Uint8Array {
    return this.#bytes.subarray(0, this.#byteLength);
  }
}
