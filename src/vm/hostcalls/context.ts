/** proxy_set_effective_context, proxy_done. ABI 3.13, 5.7. */
import { STATUS } from "../../abi/enums.ts";
import type { GroupHostcalls } from "../../abi/hostcall-types.ts";
import type { HostcallEnv } from "./env.ts";

export function contextHostcalls(env: HostcallEnv): GroupHostcalls<"context"> {
  const { call, contexts, actions } = env;
  return {
    proxy_set_effective_context: (idSigned) => {
      const id = idSigned >>> 0;
      const context = contexts.get(id);
      if (context === null && id !== 0) return STATUS.badArgument;
      // 0 takes a former choice back.
      call.actOn(context);
      return STATUS.ok;
    },
    proxy_done: () => {
      const root = call.root;
      if (root === null || call.stream !== null || !root.isDraining) return STATUS.notFound;
      actions.push({ kind: "deleteRoot", root });
      return STATUS.ok;
    },
  };
}
