/**
 * Metrics that plugins define. The id a guest gets is the host's handle with the kind in the low
 * two bits, as cpp-host numbers them; a VM knows only ids that it defined. ABI 3.12.
 * @hot per-hostcall
 */

import { METRIC_TYPE, STATUS } from "../../abi/enums.ts";
import type { GroupHostcalls } from "../../abi/hostcall-types.ts";
import { LIMITS } from "../../base/limits.ts";
import type { HostcallEnv } from "./env.ts";

const KIND_MASK = 3;

/** Id of a handle: 4k + kind with k >= 1. */
function metricId(handle: number, kind: number): number {
  return (((handle + 1) << 2) | kind) >>> 0;
}

function handleOf(id: number): number {
  return (id >>> 2) - 1;
}

export function metricHostcalls(env: HostcallEnv): GroupHostcalls<"metrics"> {
  const { memory } = env;
  const metrics = env.roles.metrics;
  const defined = new Set<number>();
  return {
    proxy_define_metric: (kindSigned, namePtr, nameLen, idPtr) => {
      const kind = kindSigned >>> 0;
      if (kind > METRIC_TYPE.histogram) return STATUS.badArgument;
      const name = memory.readLatin1(namePtr, nameLen);
      if (name === null || !memory.isRange(idPtr, 4)) return STATUS.invalidMemoryAccess;
      if (name.length === 0 || name.length > LIMITS.metricNameBytes) return STATUS.badArgument;
      const handle = metrics.define(kind, name);
      if (handle < 0) {
        env.log.errorOnce("proxy_define_metric: the limit of metrics is reached");
        return STATUS.internalFailure;
      }
      const id = metricId(handle, kind);
      defined.add(id);
      memory.writeU32(idPtr, id);
      return STATUS.ok;
    },
    proxy_increment_metric: (idSigned, offset) => {
      const id = idSigned >>> 0;
      const kind = id & KIND_MASK;
      if (kind > METRIC_TYPE.gauge) return STATUS.badArgument;
      if (!defined.has(id)) return STATUS.notFound;
      if (kind === METRIC_TYPE.counter && offset <= 0n) return STATUS.badArgument;
      metrics.add(handleOf(id), offset);
      return STATUS.ok;
    },
    proxy_record_metric: (idSigned, valueSigned) => {
      const id = idSigned >>> 0;
      if (!defined.has(id)) return STATUS.notFound;
      const value = BigInt.asUintN(64, valueSigned);
      const kind = id & KIND_MASK;
      // Recording a counter adds to it.
      if (kind === METRIC_TYPE.counter) metrics.add(handleOf(id), value);
      else if (kind === METRIC_TYPE.gauge) metrics.set(handleOf(id), value);
      else metrics.observe(handleOf(id), value);
      return STATUS.ok;
    },
    proxy_get_metric: (idSigned, valuePtr) => {
      const id = idSigned >>> 0;
      if ((id & KIND_MASK) > METRIC_TYPE.gauge) return STATUS.badArgument;
      if (!defined.has(id)) return STATUS.notFound;
      const value = metrics.read(handleOf(id));
      return memory.writeU64(valuePtr, value) ? STATUS.ok : STATUS.invalidMemoryAccess;
    },
  };
}
