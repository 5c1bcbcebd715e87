/** proxy_call_foreign_function, by name. ABI 3.14. */
import { STATUS } from "../../abi/enums.ts";
import type { GroupHostcalls } from "../../abi/hostcall-types.ts";
import type { HostcallEnv } from "./env.ts";
import { clearRouteCache } from "./stream.ts";

export function foreignHostcalls(env: HostcallEnv): GroupHostcalls<"foreign"> {
  const { memory, results } = env;
  return {
    proxy_call_foreign_function: (namePtr, nameLen, argsPtr, argsLen, ptrPtr, lenPtr) => {
      const name = memory.readLatin1(namePtr, nameLen);
      if (name === null || !memory.isRange(argsPtr, argsLen)) return STATUS.invalidMemoryAccess;
      if (name !== "clear_route_cache") return STATUS.notFound;
      const status = clearRouteCache(env);
      // A guest that wants no result passes null pointers.
      if (ptrPtr === 0 || lenPtr === 0) return status;
      const written = results.empty(ptrPtr, lenPtr);
      return written === STATUS.ok ? status : written;
    },
  };
}
