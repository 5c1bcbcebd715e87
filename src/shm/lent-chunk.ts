/**
 * A run of body bytes that was read straight into lent memory. It is good until the read's callback
 * returns; what is still held then is moved out by {@link LentChunk.moveOut}, so holders need not
 * know. Whoever gives the bytes to something that reads them later asks for `lastingBytes`.
 * @hot per-chunk
 */
import { BodyChunk, type LentRegion } from "./body-chunk.ts";
import { bodyCopies } from "./body-copies.ts";

const NOTHING = Buffer.alloc(0);

export class LentChunk extends BodyChunk {
  readonly region: LentRegion;
  readonly #start: number;
  #moved: Buffer | null = null;

  /** Bytes `[start, end)` of `region`. */
  constructor(region: LentRegion, start: number, end: number) {
    super(NOTHING, start, end, null);
    this.region = region;
    this.#start = start;
  }

  override get isLent(): boolean {
    return this.#moved === null;
  }

  override get bytes(): Uint8Array {
    return this.#moved ?? this.region.view(this.#start, this.#start + this.byteLength);
  }

  override get lastingBytes(): Uint8Array {
    this.moveOut();
    return this.bytes;
  }

  override latin1(): string {
    bodyCopies.joined.add(this.byteLength);
    const { buffer, byteOffset, byteLength } = this.bytes;
    return Buffer.from(buffer, byteOffset, byteLength).toString("latin1");
  }

  /** Copies the bytes to memory of their own; once. */
  moveOut(): void {
    if (this.#moved !== null) return;
    bodyCopies.lent.add(this.byteLength);
    this.#moved = Buffer.from(this.bytes);
  }
}
