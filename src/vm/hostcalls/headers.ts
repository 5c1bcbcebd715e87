/**
 * Header maps of the stream that hostcalls act on. Maps 0-3 are the stream's; 4-7 belong to
 * callouts. Which map is readable or writable in which phase is the stream's to say (HeaderHost).
 * ABI 3.5, 5.7.
 * @hot per-hostcall
 */
import { MAP_TYPE, MAP_TYPE_MAX, STATUS } from "../../abi/enums.ts";
import type { GroupHostcalls } from "../../abi/hostcall-types.ts";
import { decodePairs } from "../../abi/pairs.ts";
import { LIMITS } from "../../base/limits.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import type { CurrentCall } from "../current-call.ts";
import type { HostcallEnv } from "./env.ts";
import {
  type HeaderName,
  type HeaderValue,
  headerName,
  headerNames,
  headerValue,
  headerValues,
} from "./header-names.ts";

function readable(call: CurrentCall, type: number): HeaderMap | null {
  if (type > MAP_TYPE.responseTrailers)
    return call.callout === null ? null : call.callout.map(type);
  const stream = call.stream;
  return stream === null ? null : stream.roles.headers.readable(type);
}

function writable(call: CurrentCall, type: number): HeaderMap | null {
  const stream = call.stream;
  if (stream?.isOpen !== true || type > MAP_TYPE.responseTrailers) return null;
  return stream.roles.headers.writable(type);
}

/** The name under which map `type` keeps what the guest calls `key`. */
function storedName(type: number, key: HeaderName): HeaderName {
  return type === MAP_TYPE.requestHeaders ? key.inRequest : key;
}

/** Whether `map` may take one more entry; a guest must not make the silo's memory its own. */
function hasRoom(env: HostcallEnv, map: HeaderMap, name: HeaderName, value: HeaderValue): boolean {
  const byteSize = name.text.length + value.text.length;
  if (map.byteSize + byteSize <= LIMITS.guestHeadersBytes) return true;
  env.log.warn(`header ${JSON.stringify(name.text.slice(0, 64))} dropped: the map is too large`);
  return false;
}

function put(map: HeaderMap, name: HeaderName, value: string): void {
  if (name.isSingular) map.set(name.text, value);
  else if (name.isJoined) map.join(name.text, value);
  else map.append(name.text, value);
}

function getters(env: HostcallEnv) {
  const { memory, call, results, version } = env;
  return {
    proxy_get_header_map_pairs: (type, ptrPtr, lenPtr) => {
      if (type >>> 0 > MAP_TYPE_MAX) return STATUS.badArgument;
      const map = readable(call, type);
      return map === null ? results.empty(ptrPtr, lenPtr) : results.pairs(map, ptrPtr, lenPtr);
    },
    // Asking for the size of trailers makes them where they could be added (ABI 4.4).
    proxy_get_header_map_size: (type, sizePtr) => {
      if (type >>> 0 > MAP_TYPE_MAX) return STATUS.badArgument;
      const map = readable(call, type) ?? writable(call, type);
      if (map === null) return STATUS.badArgument;
      return memory.writeU32(sizePtr, map.byteSize) ? STATUS.ok : STATUS.invalidMemoryAccess;
    },
    proxy_get_header_map_value: (type, keyPtr, keyLen, ptrPtr, lenPtr) => {
      if (type >>> 0 > MAP_TYPE_MAX) return STATUS.badArgument;
      const key = memory.find(headerNames, keyPtr, keyLen);
      if (key === null) return STATUS.invalidMemoryAccess;
      const map = readable(call, type);
      if (map === null && call.stream?.isLogging !== true) return STATUS.badArgument;
      const value = map === null ? null : map.get(storedName(type, key).text);
      if (value !== null) return results.text(value, ptrPtr, lenPtr);
      return version === "0.1.0" ? results.empty(ptrPtr, lenPtr) : STATUS.notFound;
    },
  } satisfies Partial<GroupHostcalls<"headers">>;
}

/** Logs why a change had no effect, so that a filter's author need not guess. */
function refuse(env: HostcallEnv, hostcall: string, type: number): number {
  env.log.warn(`${hostcall}: header map ${type} cannot be changed in ${env.call.callback}`);
  return STATUS.badArgument;
}

function isAllowed(env: HostcallEnv, name: HeaderName, value: HeaderValue): boolean {
  if (name.isValid && value.isValid) return true;
  env.log.warn(`header ${JSON.stringify(name.text)} dropped: its name or value is malformed`);
  return false;
}

function setters(env: HostcallEnv) {
  const { memory, call } = env;
  return {
    proxy_add_header_map_value: (type, keyPtr, keyLen, valuePtr, valueLen) => {
      if (type >>> 0 > MAP_TYPE_MAX) return STATUS.badArgument;
      const key = memory.find(headerNames, keyPtr, keyLen);
      const value = memory.find(headerValues, valuePtr, valueLen);
      if (key === null || value === null) return STATUS.invalidMemoryAccess;
      const map = writable(call, type);
      if (map === null) return refuse(env, "proxy_add_header_map_value", type);
      const name = storedName(type, key);
      if (!isAllowed(env, name, value)) return STATUS.ok;
      if (!hasRoom(env, map, name, value)) return STATUS.ok;
      put(map, name, value.text);
      call.stream?.roles.headers.changed(type);
      return STATUS.ok;
    },
    proxy_replace_header_map_value: (type, keyPtr, keyLen, valuePtr, valueLen) => {
      if (type >>> 0 > MAP_TYPE_MAX) return STATUS.badArgument;
      const key = memory.find(headerNames, keyPtr, keyLen);
      const value = memory.find(headerValues, valuePtr, valueLen);
      if (key === null || value === null) return STATUS.invalidMemoryAccess;
      const map = writable(call, type);
      if (map === null) return refuse(env, "proxy_replace_header_map_value", type);
      const name = storedName(type, key);
      if (!isAllowed(env, name, value)) return STATUS.ok;
      if (!hasRoom(env, map, name, value)) return STATUS.ok;
      map.set(name.text, value.text);
      call.stream?.roles.headers.changed(type);
      return STATUS.ok;
    },
    proxy_remove_header_map_value: (type, keyPtr, keyLen) => {
      if (type >>> 0 > MAP_TYPE_MAX) return STATUS.badArgument;
      const key = memory.find(headerNames, keyPtr, keyLen);
      if (key === null) return STATUS.invalidMemoryAccess;
      const map = writable(call, type);
      if (map === null) return refuse(env, "proxy_remove_header_map_value", type);
      if (map.remove(storedName(type, key).text)) call.stream?.roles.headers.changed(type);
      return STATUS.ok;
    },
    proxy_set_header_map_pairs: (type, ptr, len) => {
      if (type >>> 0 > MAP_TYPE_MAX) return STATUS.badArgument;
      const block = memory.view(ptr, len);
      if (block === null) return STATUS.invalidMemoryAccess;
      const map = writable(call, type);
      if (map === null) return refuse(env, "proxy_set_header_map_pairs", type);
      setPairs(env, map, block, type);
      return STATUS.ok;
    },
  } satisfies Partial<GroupHostcalls<"headers">>;
}

/** Replaces the whole map; a malformed block changes nothing (ABI 3.4). */
function setPairs(env: HostcallEnv, map: HeaderMap, block: Uint8Array, type: number): void {
  const decoded = decodePairs(block);
  if (!decoded.ok) {
    env.log.warn(`proxy_set_header_map_pairs ignored: malformed pairs (${decoded.problem})`);
    return;
  }
  map.clear();
  for (const [key, text] of decoded.pairs) {
    const name = storedName(type, headerName(key));
    if (!isAllowed(env, name, headerValue(text))) continue;
    if (name.isSingular) map.set(name.text, text);
    else map.append(name.text, text);
  }
  env.call.stream?.roles.headers.changed(type);
}

export function headerHostcalls(env: HostcallEnv): GroupHostcalls<"headers"> {
  return { ...getters(env), ...setters(env) };
}
