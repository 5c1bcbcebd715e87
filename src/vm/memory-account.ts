/**
 * What one VM holds of the memory that its plugin may have in all silos together. Its code asks
 * before memory grows; what it holds goes back when the VM is dead. Thread: the VM's.
 */
import type { Quota } from "../shm/quota.ts";
import type { CodeWithTotal, PluginCode } from "./types.ts";

export const PAGE_BYTES = 65_536;

export function hasTotal(code: PluginCode): code is CodeWithTotal {
  return "quota" in code;
}

/** Where a VM's memory counts. */
export interface MemoryTotal {
  readonly quota: Quota;
  /** The number of the thread's silo. */
  readonly seat: number;
}

export class MemoryAccount {
  /** Null: there is no total. */
  readonly #total: MemoryTotal | null;
  /** What the VM may have by itself; the engine refuses more. */
  readonly #pagesMax: number;
  readonly #refused: () => void;
  #pages = 0;
  #isClosed = false;

  /** @param refused called whenever the total is too small for a growth */
  constructor(total: MemoryTotal | null, bytesMax: number, refused: () => void = () => undefined) {
    this.#total = total;
    this.#pagesMax = Math.floor(bytesMax / PAGE_BYTES);
    this.#refused = refused;
  }

  /** Whether the VM's memory may have as many pages, which count from now on. */
  claim(pages: number): boolean {
    const more = pages - this.#pages;
    // Too much for this VM alone: the engine says so, and nothing may count until then.
    if (this.#total === null || more <= 0 || pages > this.#pagesMax) return true;
    if (this.#isClosed) return false;
    if (!this.#total.quota.claim(this.#total.seat, more)) {
      this.#refused();
      return false;
    }
    this.#pages = pages;
    return true;
  }

  /** The memory has as many pages: a growth that the engine refused does not count any longer. */
  settle(pages: number): void {
    if (this.#total === null || pages >= this.#pages) return;
    this.#total.quota.giveBack(this.#total.seat, this.#pages - pages);
    this.#pages = pages;
  }

  /** The VM runs no more. */
  close(): void {
    this.settle(0);
    this.#isClosed = true;
  }
}
