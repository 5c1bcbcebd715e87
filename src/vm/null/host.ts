/**
 * The null engine's side of the ABI: the scratch memory through which arguments and results pass,
 * and the rule which context a hostcall acts on. The hostcalls are those that Wasm guests import.
 * Layout of the memory: 0 unused, 16 out-parameters, 64 and up what one hostcall takes and gives.
 * @hot per-hostcall
 */
import { STATUS } from "../../abi/enums.ts";
import type { HostcallName } from "../../abi/hostcall-table.ts";
import type { Hostcall } from "../../abi/hostcall-types.ts";
import { type Latin1Bytes, latin1Bytes, putLatin1 } from "../../abi/latin1.ts";
import type { GuestGate } from "../engine.ts";
import { ContextEndedError, HostcallError } from "./errors.ts";

export type Hostcalls = { readonly [N in HostcallName]: Hostcall<N> };

/** Where hostcalls write: pointer and length of a result, and a number. */
export const OUT_PTR = 16;
export const OUT_LEN = 20;
export const OUT_NUMBER = 24;
const ARGUMENTS = 64;
const PAGE_BYTES = 65_536;

/** What a handler that has waited is called in messages. */
const AFTERWARDS = "a handler that waited";

/** `text`, when it is latin1; else throws. */
export function checkLatin1(text: string): string {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0xff) {
      throw new TypeError("header names and values, and paths, are latin1 text");
    }
  }
  return text;
}

export class Host {
  readonly memory = new WebAssembly.Memory({ initial: 1 });
  readonly calls: Hostcalls;
  readonly gate: GuestGate;
  #bytes: Latin1Bytes;
  #words: DataView;
  #top = ARGUMENTS;
  /** Context of the callback that runs; 0 = none runs. */
  #entered = 0;
  /** Context that hostcalls act on within that callback. */
  #target = 0;

  constructor(calls: Hostcalls, gate: GuestGate) {
    this.calls = calls;
    this.gate = gate;
    this.#bytes = latin1Bytes(this.memory.buffer, 0, PAGE_BYTES);
    this.#words = new DataView(this.memory.buffer);
  }

  /** The VM enters a callback of context `id`. */
  enter(id: number): void {
    this.#entered = id;
    this.#target = id;
  }

  leave(): void {
    this.#entered = 0;
  }

  /** The arguments of a hostcall follow: what the last one left is dropped. */
  begin(): void {
    this.#top = ARGUMENTS;
  }

  /**
   * A hostcall for context `id` follows, then {@link done}, and nothing between that throws. Within
   * a callback it acts on that context, outside of one it is a call of its own. Throws when the
   * context is gone.
   */
  act(id: number): void {
    if (this.#entered === 0) {
      if (!this.gate.open(id, AFTERWARDS)) throw new ContextEndedError();
    } else if (this.#target !== id) {
      if (this.calls.proxy_set_effective_context(id) !== 0) throw new ContextEndedError();
      this.#target = id;
    }
  }

  done(): void {
    if (this.#entered === 0) this.gate.close();
  }

  /** {@link done}; throws unless `hostcall` answered OK. */
  end(hostcall: HostcallName, status: number): void {
    this.done();
    if (status !== STATUS.ok) throw new HostcallError(hostcall, status);
  }

  /** Bytes for an argument or a result; the pointer is a multiple of 8. */
  allocate(size: number): number {
    const ptr = this.#top;
    const end = ptr + size;
    if (end > this.#bytes.byteLength) this.#grow(end);
    this.#top = (end + 7) & ~7;
    return ptr;
  }

  /** `text` as latin1; throws when it is none. */
  putText(text: string): number {
    checkLatin1(text);
    const ptr = this.allocate(text.length);
    putLatin1(this.#bytes, ptr, text);
    return ptr;
  }

  putBytes(bytes: Uint8Array): number {
    const ptr = this.allocate(bytes.byteLength);
    this.#bytes.set(bytes, ptr);
    return ptr;
  }

  /** What the last hostcall gave at {@link OUT_PTR}, as latin1. */
  resultText(): string {
    const ptr = this.#words.getUint32(OUT_PTR, true);
    return this.#bytes.latin1Slice(ptr, ptr + this.#words.getUint32(OUT_LEN, true));
  }

  /** The same as a copy of the bytes. */
  resultBytes(): Uint8Array {
    const ptr = this.#words.getUint32(OUT_PTR, true);
    return new Uint8Array(this.#bytes.subarray(ptr, ptr + this.#words.getUint32(OUT_LEN, true)));
  }

  /** The u32 at {@link OUT_NUMBER}. */
  resultNumber(): number {
    return this.#words.getUint32(OUT_NUMBER, true);
  }

  /** The u64 at {@link OUT_NUMBER}. */
  resultBigInt(): bigint {
    return this.#words.getBigUint64(OUT_NUMBER, true);
  }

  /** As {@link allocate}, for results: 0 when there is no more memory. */
  tryAllocate(size: number): number {
    try {
      return this.allocate(size);
    } catch {
      return 0;
    }
  }

  #grow(end: number): void {
    // Twice as much, so that a body that comes in parts does not grow it with each of them.
    const pages = Math.ceil((end * 2 - this.#bytes.byteLength) / PAGE_BYTES);
    this.memory.grow(pages);
    this.#bytes = latin1Bytes(this.memory.buffer, 0, this.memory.buffer.byteLength);
    this.#words = new DataView(this.memory.buffer);
  }
}

/** Text as UTF-8. */
export function bytesOf(data: string | Uint8Array): Uint8Array {
  return typeof data === "string" ? Buffer.from(data, "utf8") : data;
}

export function utf8Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}
