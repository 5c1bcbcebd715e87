/**
 * proxy_get_shared_data, proxy_set_shared_data: values by key that all VMs with the same vm_id see,
 * on every thread. ABI 3.8.
 * @hot per-hostcall
 */
import { STATUS } from "../../abi/enums.ts";
import type { GroupHostcalls } from "../../abi/hostcall-types.ts";
import { SHARED } from "../../shm/shared-data.ts";
import type { HostcallEnv } from "./env.ts";

/** Status of each SHARED result. */
const STATUS_OF: Readonly<Record<number, number>> = {
  [SHARED.done]: STATUS.ok,
  [SHARED.absent]: STATUS.notFound,
  [SHARED.casMismatch]: STATUS.casMismatch,
  [SHARED.full]: STATUS.internalFailure,
  [SHARED.wrongKind]: STATUS.badArgument,
  [SHARED.busy]: STATUS.internalFailure,
};

/** The status of a SHARED result; what the guest cannot know from it is logged once. */
export function sharedStatus(env: HostcallEnv, name: string, result: number): number {
  if (result === SHARED.full) {
    env.log.errorOnce(`${name}: over a limit of shared data, or its memory is full`);
  } else if (result === SHARED.busy) env.log.errorOnce(`${name}: shared data is locked`);
  return STATUS_OF[result] ?? STATUS.internalFailure;
}

/** The namespace of the VM's vm_id; asked for when it is first used. */
export function ownSpace(env: HostcallEnv): () => number {
  let space = 0;
  return () => {
    if (space === 0) space = env.roles.shared.spaceOf(env.config.vmId);
    return space;
  };
}

export function sharedDataHostcalls(env: HostcallEnv): GroupHostcalls<"sharedData"> {
  const { memory, results } = env;
  const space = ownSpace(env);
  return {
    proxy_get_shared_data: (keyPtr, keyLen, ptrPtr, lenPtr, casPtr) => {
      const key = memory.view(keyPtr, keyLen);
      if (key === null || !memory.isRange(casPtr, 4)) return STATUS.invalidMemoryAccess;
      const { data } = env.roles.shared;
      const result = data.get(space(), key);
      if (result !== SHARED.done) return sharedStatus(env, "proxy_get_shared_data", result);
      const { bytes, length, cas } = data;
      memory.writeU32(casPtr, cas);
      if (length === 0) return results.empty(ptrPtr, lenPtr);
      const ptr = results.reserve(length, ptrPtr, lenPtr);
      const target = ptr === 0 ? null : memory.view(ptr, length);
      if (target === null) return STATUS.invalidMemoryAccess;
      bytes.copy(target, 0, 0, length);
      return STATUS.ok;
    },
    proxy_set_shared_data: (keyPtr, keyLen, valuePtr, valueLen, cas) => {
      const key = memory.view(keyPtr, keyLen);
      const value = memory.view(valuePtr, valueLen);
      if (key === null || value === null) return STATUS.invalidMemoryAccess;
      const result = env.roles.shared.data.set(space(), key, value, cas);
      return result === SHARED.done
        ? STATUS.ok
        : sharedStatus(env, "proxy_set_shared_data", result);
    },
  };
}
