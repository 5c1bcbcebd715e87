/** proxy_get_current_time_nanoseconds, proxy_set_tick_period_milliseconds. ABI 3.2. */
import { STATUS } from "../../abi/enums.ts";
import type { GroupHostcalls } from "../../abi/hostcall-types.ts";
import type { HostcallEnv } from "./env.ts";

export function timeHostcalls(env: HostcallEnv): GroupHostcalls<"time"> {
  const { memory, call, roles } = env;
  return {
    proxy_get_current_time_nanoseconds: (timePtr) =>
      memory.writeU64(timePtr, roles.timers.wallNs()) ? STATUS.ok : STATUS.invalidMemoryAccess,
    proxy_set_tick_period_milliseconds: (periodMs) => {
      // During start-up there is no root whose timer it could be.
      if (call.root === null) return STATUS.badArgument;
      call.root.setTick(periodMs >>> 0);
      return STATUS.ok;
    },
  };
}
