/**
 * Body buffers of the stream that hostcalls act on, and the configurations. ABI 3.6, 4.5.
 * @hot per-hostcall
 */
import { BUFFER_TYPE, STATUS } from "../../abi/enums.ts";
import type { GroupHostcalls } from "../../abi/hostcall-types.ts";
import { LIMITS } from "../../base/limits.ts";
import type { HostcallEnv } from "./env.ts";

/** Size of a buffer that does not exist now and says so (NotFound), instead of being empty. */
const MISSING = -2;
/** Size of a stream's buffer outside its phase: reads as empty, writes are refused. */
const CLOSED = -1;

function isStreamBuffer(type: number): boolean {
  return type <= BUFFER_TYPE.upstreamData;
}

function isKnown(env: HostcallEnv, type: number): boolean {
  const last = env.version === "0.2.100" ? BUFFER_TYPE.redisResponse : BUFFER_TYPE.callData;
  return type <= last;
}

/** The configuration or the callout's answer that is readable as buffer `type`, or null. */
function fixedBytes(env: HostcallEnv, type: number): Uint8Array | null {
  if (type === BUFFER_TYPE.vmConfiguration) return env.config.configuration;
  const { call } = env;
  if (call.callout !== null && type <= BUFFER_TYPE.grpcMessage) return call.callout.buffer(type);
  if (type === BUFFER_TYPE.callData) return call.callData;
  if (type !== BUFFER_TYPE.pluginConfiguration || !call.pluginConfigReadable) return null;
  return call.root === null ? null : call.root.config.configuration;
}

/** Readable bytes, {@link CLOSED} or {@link MISSING}. */
function sizeOf(env: HostcallEnv, type: number): number {
  if (isStreamBuffer(type)) {
    const stream = env.call.stream;
    return stream?.isOpen === true ? stream.roles.buffers.size(type) : CLOSED;
  }
  const bytes = fixedBytes(env, type);
  if (bytes !== null) return bytes.length;
  return type === BUFFER_TYPE.grpcMessage || type === BUFFER_TYPE.callData ? CLOSED : MISSING;
}

function copyOut(env: HostcallEnv, type: number, start: number, target: Uint8Array): void {
  const bytes = isStreamBuffer(type) ? null : fixedBytes(env, type);
  if (bytes !== null) target.set(bytes.subarray(start, start + target.length));
  else env.call.stream?.roles.buffers.copyTo(type, start, target.length, target, 0);
}

export function bufferHostcalls(env: HostcallEnv): GroupHostcalls<"buffers"> {
  const { memory, results } = env;
  return {
    proxy_get_buffer_bytes: (type, startSigned, lengthMax, ptrPtr, lenPtr) => {
      if (!isKnown(env, type >>> 0)) return STATUS.badArgument;
      const size = sizeOf(env, type);
      if (size === MISSING) return STATUS.notFound;
      const start = startSigned >>> 0;
      const length = Math.min(lengthMax >>> 0, Math.max(size - start, 0));
      if (length === 0) return results.empty(ptrPtr, lenPtr);
      const ptr = results.reserve(length, ptrPtr, lenPtr);
      const target = ptr === 0 ? null : memory.view(ptr, length);
      if (target === null) return STATUS.invalidMemoryAccess;
      copyOut(env, type, start, target);
      return STATUS.ok;
    },
    proxy_get_buffer_status: (type, lengthPtr, flagsPtr) => {
      if (!isKnown(env, type >>> 0)) return STATUS.badArgument;
      const size = sizeOf(env, type);
      if (size === MISSING) return STATUS.notFound;
      if (!memory.isRange(lengthPtr, 4) || !memory.isRange(flagsPtr, 4)) {
        return STATUS.invalidMemoryAccess;
      }
      memory.writeU32(lengthPtr, Math.max(size, 0));
      memory.writeU32(flagsPtr, 0);
      return STATUS.ok;
    },
    proxy_set_buffer_bytes: (type, startSigned, length, dataPtr, dataLen) => {
      if (!isKnown(env, type >>> 0)) return STATUS.badArgument;
      const data = memory.readBytes(dataPtr, dataLen);
      if (data === null) return STATUS.invalidMemoryAccess;
      const size = sizeOf(env, type);
      if (size === MISSING) return STATUS.notFound;
      const buffers = env.call.stream?.roles.buffers;
      if (size === CLOSED || !isStreamBuffer(type) || buffers === undefined) {
        env.log.warn(`buffer ${type} cannot be changed in ${env.call.callback}`);
        return STATUS.badArgument;
      }
      // At or behind the end there is nothing to replace: the data is appended (ABI 3.6).
      const start = Math.min(startSigned >>> 0, size);
      const replaced = Math.min(length >>> 0, size - start);
      if (size - replaced + data.byteLength > LIMITS.guestBufferBytes) {
        env.log.warn(`buffer ${type} is not changed: it would be too large`);
        return STATUS.badArgument;
      }
      return buffers.splice(type, start, replaced, data) ? STATUS.ok : STATUS.badArgument;
    },
  };
}
