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

/** Queues the invalidation of the cached route. */
export function clearRouteCache(env: HostcallEnv): number {
  const stream = env.call.stream;
  if (stream?.isOpen === true) env.actions.push({ kind: "clearRouteCache", stream });
  return STATUS.ok;
}

export function streamHostcalls(env: HostcallEnv): GroupHostcalls<"stream"> {
  return {
    proxy_continue_stream: (typeSigned) => {
      const type = typeSigned >>> 0;
      if (type > STREAM_TYPE.upstream) return STATUS.badArgument;
      if (type === STREAM_TYPE.request) return resume(env, DIRECTION.request);
      if (type === STREAM_TYPE.response) return resume(env, DIRECTION.response);
      // TCP types on an HTTP stream have nothing to resume.
      return STATUS.ok;
    },
    proxy_close_stream: (typeSigned) => {
      const type = typeSigned >>> 0;
      if (type > STREAM_TYPE.upstream) return STATUS.badArgument;
      const stream = env.call.stream;
      if (stream?.isOpen === true && type <= STREAM_TYPE.response) {
        env.actions.push({ kind: "closeStream", stream });
      }
      return STATUS.ok;
    },
    proxy_continue_request: () => resume(env, DIRECTION.request),
    proxy_continue_response: () => resume(env, DIRECTION.response),
    proxy_clear_route_cache: () => clearRouteCache(env),
  };
}
