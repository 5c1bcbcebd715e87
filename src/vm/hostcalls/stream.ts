/** Stream control. Effects happen after the guest has returned; misuse is harmless. ABI 3.7. */
import { STATUS, STREAM_TYPE } from "../../abi/enums.ts";
import type { GroupHostcalls } from "../../abi/hostcall-types.ts";
import { DIRECTION } from "../current-call.ts";
import type { HostcallEnv } from "./env.ts";

/**
 * Resumes one half of the target stream. When that half is the one whose callback is running, the
 * callback's own result is made Continue instead: nothing is stopped yet that could be resumed.
 */
function resume(env: HostcallEnv, direction: number): number {
  const { call, actions } = env;
  const stream = call.stream;
  if (stream?.isOpen !== true) return STATUS.ok;
  if (stream === call.context && call.direction === direction) {
    call.resumed = true;
  } else {
    const kind = direction === DIRECTION.request ? "continueRequest" : "continueResponse";
    actions.push({ kind, stream });
  }
  return STATUS.ok;
}

/** The resumption of ABI 0.1.0, which knows no connections. */
function resumeHttp(env: HostcallEnv, direction: number): number {
  return env.call.stream?.isNetwork === true ? STATUS.ok : resume(env, direction);
}

/** Queues the invalidation of the cached route. */
export function clearRouteCache(env: HostcallEnv): number {
  const stream = env.call.stream;
  if (stream?.isOpen === true) env.actions.push({ kind: "clearRouteCache", stream });
  return STATUS.ok;
}

/** HTTP streams have the types 0 and 1, connections 2 and 3; another type has no effect. */
function isOwnType(env: HostcallEnv, type: number): boolean {
  const stream = env.call.stream;
  return stream !== null && stream.isNetwork === type >= STREAM_TYPE.downstream;
}

export function streamHostcalls(env: HostcallEnv): GroupHostcalls<"stream"> {
  return {
    proxy_continue_stream: (typeSigned) => {
      const type = typeSigned >>> 0;
      if (type > STREAM_TYPE.upstream) return STATUS.badArgument;
      if (!isOwnType(env, type)) return STATUS.ok;
      return resume(env, (type & 1) === 0 ? DIRECTION.request : DIRECTION.response);
    },
    proxy_close_stream: (typeSigned) => {
      const type = typeSigned >>> 0;
      if (type > STREAM_TYPE.upstream) return STATUS.badArgument;
      const stream = env.call.stream;
      if (stream?.isOpen === true && isOwnType(env, type)) {
        env.actions.push({ kind: "closeStream", stream });
      }
      return STATUS.ok;
    },
    proxy_continue_request: () => resumeHttp(env, DIRECTION.request),
    proxy_continue_response: () => resumeHttp(env, DIRECTION.response),
    proxy_clear_route_cache: () => clearRouteCache(env),
  };
}
