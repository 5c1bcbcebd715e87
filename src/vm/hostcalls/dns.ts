/** envoy_resolve_dns. ABI 2.10. */
import { STATUS } from "../../abi/enums.ts";
import type { GroupHostcalls } from "../../abi/hostcall-types.ts";
import { LIMITS } from "../../base/limits.ts";
import type { HostcallEnv } from "./env.ts";

export function dnsHostcalls(env: HostcallEnv): GroupHostcalls<"dns"> {
  const { memory, call, dns } = env;
  return {
    envoy_resolve_dns: (namePtr, nameLen, tokenPtr) => {
      const name = memory.readLatin1(namePtr, nameLen);
      if (name === null || !memory.isRange(tokenPtr, 4)) return STATUS.invalidMemoryAccess;
      // The VM context has nobody to tell the answer.
      if (call.root === null) return STATUS.badArgument;
      if (name.length > LIMITS.dnsNameBytes) return STATUS.badArgument;
      const token = dns.nextToken();
      if (!dns.start(call.root, name, token)) return STATUS.internalFailure;
      memory.writeU32(tokenPtr, token);
      return STATUS.ok;
    },
  };
}
