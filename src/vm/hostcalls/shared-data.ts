/**
 * proxy_get_shared_data, proxy_set_shared_data: values by key that all VMs with the same vm_id see,
 * on every thread. ABI 3.8.
 * @hot per-hostcall
 */
import { STATUS } from "../../abi/enums.ts";
import type { GroupHostcalls } from "../../abi/hostcall-types.ts";
import { SHARED } from "../../shm/shared-data.ts";
import type { HostcallEnv } from "./env.ts";
import { dataStatus, giveCopy } from "./shared-status.ts";

/** The namespace of the VM's vm_id; asked for when it is first used. */
export function ownSpace(env: HostcallEnv): () => number {
  let space = 0;
  return () => {
    if (space === 0) space = env.roles.shared.spaceOf(env.config.vmId);
    return space;
  };
}

export function sharedDataHostcalls(env: HostcallEnv): GroupHostcalls<"sharedData"> {
  const { memory } = env;
  const space = ownSpace(env);
  return {
    proxy_get_shared_data: (keyPtr, keyLen, ptrPtr, lenPtr, casPtr) => {
      const key = memory.view(keyPtr, keyLen);
      if (key === null || !memory.isRange(casPtr, 4)) return STATUS.invalidMemoryAccess;
      const { data } = env.roles.shared;
      const result = data.get(space(), key);
      if (result !== SHARED.done) return dataStatus(env, "proxy_get_shared_data", result);
      memory.writeU32(casPtr, data.cas);
      return giveCopy(env, data, ptrPtr, lenPtr);
    },
    proxy_set_shared_data: (keyPtr, keyLen, valuePtr, valueLen, cas) => {
      const key = memory.view(keyPtr, keyLen);
      const value = memory.view(valuePtr, valueLen);
      if (key === null || value === null) return STATUS.invalidMemoryAccess;
      const result = env.roles.shared.data.set(space(), key, value, cas);
      return result === SHARED.done ? STATUS.ok : dataStatus(env, "proxy_set_shared_data", result);
    },
  };
}
