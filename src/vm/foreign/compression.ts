/**
 * `compress` and `uncompress`: the zlib format, as zlib's own functions of these names do it. What
 * follows the end of the compressed data is ignored. A guest is a stranger: both sides are capped,
 * so that a few kilobytes cannot become gigabytes.
 */
import { deflateSync, inflateSync } from "node:zlib";
import { STATUS } from "../../abi/enums.ts";
import { LIMITS } from "../../base/limits.ts";
import type { ForeignAnswer, ForeignFamily } from "./types.ts";

const OPTIONS = { maxOutputLength: LIMITS.foreignDataBytes };

type Codec = (data: Uint8Array, options: typeof OPTIONS) => Uint8Array;

function convert(codec: Codec, data: Uint8Array, answer: ForeignAnswer): number {
  if (data.byteLength > LIMITS.foreignDataBytes) return STATUS.serializationFailure;
  try {
    answer.bytes = codec(data, OPTIONS);
    return STATUS.ok;
  } catch {
    // Malformed, cut short, or more than the cap.
    return STATUS.serializationFailure;
  }
}

export const compressionFunctions: ForeignFamily = () => ({
  compress: (args, answer) => convert(deflateSync, args, answer),
  uncompress: (args, answer) => convert(inflateSync, args, answer),
});
