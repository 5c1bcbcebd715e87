/**
 * Regions of a guest's memory that it lends for bodies to be read into (`granary.body_window`). A
 * region begins with a word that tells the guest how much of the present body event lies behind it.
 * Sockets keep the address of what they read into, and the memory of a guest moves when it grows
 * and is gone when its VM is: whenever the guest has run, sockets are told where its regions are.
 * @hot per-chunk
 */
import type { LinearMemory } from "../abi/linear-memory.ts";
import { LIMITS } from "../base/limits.ts";
import type { BodySource, LentRegion } from "../shm/body-chunk.ts";

/** u32 length of what lies in the region, 4 bytes 0; then the bytes. */
export const WINDOW_HEADER_BYTES = 8;
/** A smaller one is not worth it. */
export const WINDOW_BYTES_MIN = 1_024;

/** Thread: the VM's. */
export class BodyWindow implements LentRegion {
  readonly ptr: number;
  readonly byteLength: number;
  readonly #memory: LinearMemory;
  readonly #windows: BodyWindows;
  #source: BodySource | null = null;

  /** @param length of the whole region, which lies inside the memory */
  constructor(windows: BodyWindows, memory: LinearMemory, ptr: number, length: number) {
    this.#windows = windows;
    this.#memory = memory;
    this.ptr = ptr >>> 0;
    this.byteLength = length - WINDOW_HEADER_BYTES;
  }

  view(start: number, end: number): Uint8Array {
    const bytes = this.#memory.view(this.ptr + WINDOW_HEADER_BYTES + start, end - start);
    // A memory never shrinks.
    return bytes as Uint8Array;
  }

  /** Tells the guest that the first `length` bytes are those of the present event; 0 = none are. */
  show(length: number): void {
    this.#memory.writeU32(this.ptr, length);
    this.#memory.writeU32(this.ptr + 4, 0);
  }

  /** The next reads of the body that comes from `source` go into the region, if they can. */
  offer(source: BodySource | null): void {
    if (source === null || this.#source === source) return;
    this.#source?.takeBack(this);
    this.#source = source.lend(this) ? source : null;
  }

  /** Reads go elsewhere until the next {@link offer}. */
  withdraw(): void {
    this.#source?.takeBack(this);
    this.#source = null;
  }

  /** The guest's memory has grown. */
  moved(): void {
    this.#source?.moved(this);
  }

  /** Nothing is written to the region any more. */
  close(): void {
    this.#windows.remove(this);
    this.withdraw();
  }

  overlaps(ptr: number, length: number): boolean {
    const start = ptr >>> 0;
    const end = this.ptr + WINDOW_HEADER_BYTES + this.byteLength;
    return start < end && this.ptr < start + length;
  }
}

/** The windows of one VM. */
export class BodyWindows {
  readonly #memory: LinearMemory;
  readonly #open = new Set<BodyWindow>();
  /** Size of the memory when sockets were told last. */
  #memoryBytes = 0;

  constructor(memory: LinearMemory) {
    this.#memory = memory;
  }

  get count(): number {
    return this.#open.size;
  }

  /** Null: the region is outside the memory, too small or large, another's, or one too many. */
  open(ptr: number, length: number): BodyWindow | null {
    if (length < WINDOW_BYTES_MIN || length > LIMITS.bodyWindowBytes) return null;
    if (!this.#memory.isRange(ptr, length)) return null;
    if (this.#open.size >= LIMITS.bodyWindowsCount) return null;
    for (const other of this.#open) if (other.overlaps(ptr, length)) return null;
    const window = new BodyWindow(this, this.#memory, ptr, length);
    if (this.#open.size === 0) this.#memoryBytes = this.#memory.size();
    this.#open.add(window);
    return window;
  }

  remove(window: BodyWindow): void {
    this.#open.delete(window);
  }

  /** The guest has returned: its memory may be elsewhere. */
  afterGuest(): void {
    if (this.#open.size === 0) return;
    const bytes = this.#memory.size();
    if (bytes === this.#memoryBytes) return;
    this.#memoryBytes = bytes;
    for (const window of this.#open) window.moved();
  }

  closeAll(): void {
    for (const window of [...this.#open]) window.close();
  }
}
