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
/** Of metrics that were refused: what is done with them is counted and has no other effect. */
const REFUSED_HANDLE = 0x3ffffffe;

/** Id of a handle: 4k + kind with k >= 1. */
function metricId(handle: number, kind: number): number {
  return (((handle + 1) << 2) | kind) >>> 0;
}

function handleOf(id: number): number {
  return (id >>> 2) - 1;
}

/** Handle of a metric, {@link REFUSED_HANDLE} for one the host does not keep. */
function defineMetric(env: HostcallEnv, kind: number, name: string): number {
  let why = "the limit of metrics is reached";
  if (name.length === 0) why = "the name is empty";
  else if (name.length > LIMITS.metricNameBytes) why = "the name is too long";
  else {
    const handle = env.roles.metrics.define(kind, name);
    if (handle >= 0) return handle;
  }
  env.log.errorOnce(`proxy_define_metric: ${why}; the metric is ignored`);
  return REFUSED_HANDLE;
}

/**
 * SDKs trap on any status but OK of proxy_define_metric (ABI 3.15), so a metric that is refused has
 * an id like others.
 */
export function metricHostcalls(env: HostcallEnv): GroupHostcalls<"metrics"> {
  const { memory } = env;
  const metrics = env.roles.metrics;
  const defined = new Set<number>();
  return {
    proxy_define_metric: (kindSigned, namePtr, nameLen, idPtr) => {
      const kind = kindSigned >>> 0;
      if (kind > METRIC_TYPE.histogram) return STATUS.badArgument;
      const name = memory.readName(namePtr, nameLen);
      if (name === null || !memory.isRange(idPtr, 4)) return STATUS.invalidMemoryAccess;
      const id = metricId(defineMetric(env, kind, name), kind);
      defined.add(id);
      memory.writeU32(idPtr, id);
      return STATUS.ok;
    },
    proxy_increment_metric: (idSigned, offset) => {
      const id = idSigned >>> 0;
      const kind = id & KIND_MASK;
      if (!defined.has(id)) return STATUS.notFound;
      if (kind > METRIC_TYPE.gauge) return STATUS.badArgument;
      if (kind === METRIC_TYPE.counter && offset <= 0n) return STATUS.badArgument;
      const handle = handleOf(id);
      if (handle === REFUSED_HANDLE) metrics.refused();
      else metrics.add(handle, offset);
      return STATUS.ok;
    },
    proxy_record_metric: (idSigned, valueSigned) => {
      const id = idSigned >>> 0;
      if (!defined.has(id)) return STATUS.notFound;
      const value = BigInt.asUintN(64, valueSigned);
      const kind = id & KIND_MASK;
      const handle = handleOf(id);
      if (handle === REFUSED_HANDLE) metrics.refused();
      // Recording a counter adds to it.
      else if (kind === METRIC_TYPE.counter) metrics.add(handle, value);
      else if (kind === METRIC_TYPE.gauge) metrics.set(handle, value);
      else metrics.observe(handle, value);
      return STATUS.ok;
    },
    proxy_get_metric: (idSigned, valuePtr) => {
      const id = idSigned >>> 0;
      if ((id & KIND_MASK) > METRIC_TYPE.gauge) return STATUS.badArgument;
      if (!defined.has(id)) return STATUS.notFound;
      const handle = handleOf(id);
      const isRefused = handle === REFUSED_HANDLE;
      if (isRefused) metrics.refused();
      const value = isRefused ? 0n : metrics.read(handle);
      return memory.writeU64(valuePtr, value) ? STATUS.ok : STATUS.invalidMemoryAccess;
    },
  };
}
