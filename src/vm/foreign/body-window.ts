/**
 * `granary.body_window`: a guest lends a region of its memory, and what comes of a body is put
 * there before the body's callback, read straight from the socket where that can be. Numbers are
 * little-endian.
 *
 *   granary.body_window   u32 buffer_type (0 request, 1 response), u32 ptr, u32 length -> nothing
 *
 * The region: u32 length, u32 0, bytes. In a body callback `length` is the size of the body as the
 * callback tells it, when all of it lies in the region, else 0, and proxy_get_buffer_bytes has it.
 * What the guest writes to the region before it takes it back may become part of the body or not.
 * The region is the guest's own again when the stream is deleted, or by a call with length 0.
 * BadArgument: no such body, or a region that is outside the memory, smaller than 1 KiB, larger
 * than 1 MiB, or lent already.
 */
import { BUFFER_TYPE, STATUS } from "../../abi/enums.ts";
import type { HostcallEnv } from "../hostcalls/env.ts";
import type { ForeignFamily } from "./types.ts";

const ARGUMENT_BYTES = 12;

function bodyWindow(env: HostcallEnv, args: Uint8Array): number {
  const { stream } = env.call;
  if (args.byteLength !== ARGUMENT_BYTES || stream?.isOpen !== true) return STATUS.badArgument;
  const view = new DataView(args.buffer, args.byteOffset, args.byteLength);
  const type = view.getUint32(0, true);
  const length = view.getUint32(8, true);
  const { buffers } = stream.roles;
  if (stream.isNetwork || type > BUFFER_TYPE.responseBody) return STATUS.badArgument;
  // What was lent before goes back first: the same region may be lent again.
  if (!buffers.lend(type, null)) return STATUS.badArgument;
  if (length === 0) return STATUS.ok;
  const window = env.windows.open(view.getUint32(4, true), length);
  if (window === null) return STATUS.badArgument;
  buffers.lend(type, window);
  return STATUS.ok;
}

export const bodyWindowFunctions: ForeignFamily = (env) => ({
  "granary.body_window": (args) => bodyWindow(env, args),
});
