/**
 * proxy_log, proxy_get_log_level: allowed in every phase, start-up and allocator included. ABI 3.2.
 */

import { GUEST_LOG_LEVEL, STATUS } from "../../abi/enums.ts";
import type { GroupHostcalls } from "../../abi/hostcall-types.ts";
import { LIMITS } from "../../base/limits.ts";
import type { HostcallEnv } from "./env.ts";

export function logHostcalls(env: HostcallEnv): GroupHostcalls<"log"> {
  const { memory, log } = env;
  return {
    proxy_log: (level, ptr, len) => {
      const rank = level >>> 0;
      if (rank > GUEST_LOG_LEVEL.critical) return STATUS.badArgument;
      if (!memory.isRange(ptr, len)) return STATUS.invalidMemoryAccess;
      if (!log.enabled(rank)) return STATUS.ok;
      const text = memory.readUtf8(ptr, Math.min(len >>> 0, LIMITS.guestLogLineBytes));
      if (text !== null) log.line(rank, text);
      return STATUS.ok;
    },
    proxy_get_log_level: (levelPtr) =>
      memory.writeU32(levelPtr, log.level()) ? STATUS.ok : STATUS.invalidMemoryAccess,
  };
}
