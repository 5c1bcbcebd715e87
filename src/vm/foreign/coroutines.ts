/**
 * `granary.sleep` and `granary.await`: a guest stops in the middle of a callback until the answer
 * of a callout has come, or time has passed. Numbers are u32, little-endian. Only plugins that ask
 * for coroutines have them (docs/coroutines.md).
 *
 *   granary.sleep   milliseconds -> token
 *   granary.await   token, of a sleep or of a callout -> HTTP: header count, body size, trailer
 *                   count; gRPC: status, message size; sleep: nothing
 *
 * What an await answers can be read as in the callback of the callout, until the next await or the
 * end of the callback. BadArgument: no such token, or one of a gRPC stream. InternalFailure: no
 * answer; proxy_get_status says why.
 */
import { STATUS } from "../../abi/enums.ts";
import type { Coroutines } from "../coroutines/coroutines.ts";
import type { ForeignAnswer, ForeignFamily } from "./types.ts";

const ARGUMENT_BYTES = 4;

function argument(args: Uint8Array): number | null {
  if (args.byteLength !== ARGUMENT_BYTES) return null;
  return new DataView(args.buffer, args.byteOffset, ARGUMENT_BYTES).getUint32(0, true);
}

function sleep(coroutines: Coroutines, args: Uint8Array, answer: ForeignAnswer): number {
  const ms = argument(args);
  if (ms === null) return STATUS.badArgument;
  const token = coroutines.sleep(ms);
  if (token === 0) return STATUS.internalFailure;
  answer.bytes = new Uint8Array(4);
  new DataView(answer.bytes.buffer).setUint32(0, token, true);
  return STATUS.ok;
}

function awaitToken(coroutines: Coroutines, args: Uint8Array, answer: ForeignAnswer): number {
  const token = argument(args);
  if (token === null) return STATUS.badArgument;
  const status = coroutines.awaitToken(token);
  if (status === STATUS.ok) answer.bytes = coroutines.awaited;
  return status;
}

export const coroutineFunctions: ForeignFamily = ({ coroutines }) =>
  coroutines === null
    ? {}
    : {
        "granary.sleep": (args, answer) => sleep(coroutines, args, answer),
        "granary.await": (args, answer) => awaitToken(coroutines, args, answer),
      };
