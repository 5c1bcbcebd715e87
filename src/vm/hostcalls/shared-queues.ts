/**
 * Shared queues: the VMs of all threads put items in and take them out; one plugin that registered
 * a queue is told of each item by proxy_on_queue_ready. ABI 3.9.
 * @hot per-hostcall
 */
import { STATUS } from "../../abi/enums.ts";
import type { GroupHostcalls } from "../../abi/hostcall-types.ts";
import { QUEUED } from "../../shm/shared-queues.ts";
import type { HostcallEnv } from "./env.ts";
import { giveCopy, queueStatus } from "./shared-status.ts";

export function sharedQueueHostcalls(env: HostcallEnv): GroupHostcalls<"sharedQueue"> {
  const { memory, call } = env;
  const ownVmId = Buffer.from(env.config.vmId);
  return {
    proxy_register_shared_queue: (namePtr, nameLen, idPtr) => {
      const name = memory.view(namePtr, nameLen);
      if (name === null || !memory.isRange(idPtr, 4)) return STATUS.invalidMemoryAccess;
      // Without a plugin there is nobody to tell.
      if (call.root === null) return STATUS.badArgument;
      const queue = env.roles.shared.queues.register(ownVmId, name, call.root.queueListener);
      if (queue === 0) return queueStatus(env, "proxy_register_shared_queue", QUEUED.full);
      memory.writeU32(idPtr, queue);
      return STATUS.ok;
    },
    proxy_resolve_shared_queue: (vmIdPtr, vmIdLen, namePtr, nameLen, idPtr) => {
      const vmId = memory.view(vmIdPtr, vmIdLen);
      const name = memory.view(namePtr, nameLen);
      if (vmId === null || name === null) return STATUS.invalidMemoryAccess;
      if (!memory.isRange(idPtr, 4)) return STATUS.invalidMemoryAccess;
      const queue = env.roles.shared.queues.resolve(vmIdLen === 0 ? ownVmId : vmId, name);
      if (queue === 0) return STATUS.notFound;
      memory.writeU32(idPtr, queue);
      return STATUS.ok;
    },
    proxy_enqueue_shared_queue: (queue, dataPtr, dataLen) => {
      const data = memory.view(dataPtr, dataLen);
      if (data === null) return STATUS.invalidMemoryAccess;
      const result = env.roles.shared.queues.queues.enqueue(queue >>> 0, data);
      return result === QUEUED.done
        ? STATUS.ok
        : queueStatus(env, "proxy_enqueue_shared_queue", result);
    },
    proxy_dequeue_shared_queue: (queue, ptrPtr, lenPtr) => {
      // Checked before the item is taken out: a refused call loses none.
      if (!memory.isRange(ptrPtr, 4) || !memory.isRange(lenPtr, 4)) {
        return STATUS.invalidMemoryAccess;
      }
      const { queues } = env.roles.shared.queues;
      const result = queues.dequeue(queue >>> 0);
      if (result !== QUEUED.done) return queueStatus(env, "proxy_dequeue_shared_queue", result);
      return giveCopy(env, queues, ptrPtr, lenPtr);
    },
  };
}
