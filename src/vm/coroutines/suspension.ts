/**
 * How a guest stops in the middle of a call, inside a hostcall, and goes on there later. Two ways:
 * asyncify, which unwinds the guest's frames into its memory, and JSPI of the engine, which sets
 * its stack aside. Source: ADR 50.
 */
import type { CallbackName } from "../../abi/callback-table.ts";
import type { HostFunction } from "../../abi/imports.ts";
import type { EngineInstance, GuestFunction } from "../engine.ts";

/** What an entry gives when the guest has stopped in the middle. */
export const SUSPENDED_CALL = Symbol("suspended");

/** Status that the body of a hostcall gives when the guest has to stop there; no STATUS. */
export const WAIT = 0x57414954;

/** Whose calls they are. */
export interface SuspensionOwner {
  /** The guest stops in the running hostcall. */
  stops(): void;
  /** The guest goes on: the hostcall leaves its result at the out-parameters; its status. */
  answer(ptrPtr: number, lenPtr: number): number;
  /** A call that had been suspended has returned, or has failed, by itself. */
  returned(result: unknown): void;
  failed(error: unknown): void;
}

/** `proxy_call_foreign_function`. */
// biome-ignore lint/complexity/useMaxParams: its wire parameters
export type ForeignHostcall = (
  namePtr: number,
  nameLen: number,
  argsPtr: number,
  argsLen: number,
  ptrPtr: number,
  lenPtr: number,
) => number;

export interface Suspender {
  /** `body` as the guest imports it: where it answers {@link WAIT} the guest stops. */
  hostcall(body: ForeignHostcall): HostFunction;
  /** Once the instance exists, before {@link entry}. */
  bind(instance: EngineInstance): void;
  /** The export `name` as it is called: its result, or {@link SUSPENDED_CALL}. */
  entry(name: CallbackName, fn: GuestFunction): GuestFunction;
  /**
   * The call that is suspended goes on. Its result, or {@link SUSPENDED_CALL}: it stopped again, or
   * its owner will be told. Throws what the guest throws.
   */
  resume(): unknown;
  /** What went wrong, when the guest failed because it could not be suspended; else "". */
  failure(): string;
}
