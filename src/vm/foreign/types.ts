/**
 * What a foreign function is: a body under a name, reached by `proxy_call_foreign_function`. One
 * file of this folder for each family; `index.ts` lists the families. Source: ABI 3.14.
 */
import type { HostcallEnv } from "../hostcalls/env.ts";

const NOTHING = new Uint8Array(0);

/** Where a foreign function leaves its result; one per VM, emptied before each call. */
export class ForeignAnswer {
  bytes: Uint8Array = NOTHING;

  clear(): void {
    this.bytes = NOTHING;
  }
}

/**
 * @param args a copy of the guest's arguments, which the body may keep.
 * @param answer takes the result; what it holds is written to the guest whatever the status is.
 * @returns a STATUS; Rust guests survive Ok, NotFound, BadArgument, SerializationFailure and
 *   InternalFailure only (ABI 3.15).
 */
export type ForeignFunction = (args: Uint8Array, answer: ForeignAnswer) => number;

/** The functions of one family for one VM, by their wire names. */
export type ForeignFamily = (env: HostcallEnv) => Readonly<Record<string, ForeignFunction>>;
