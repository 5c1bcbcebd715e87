/**
 * The shape of a row of the hostcall table, and the function types that follow from the rows: arity
 * and parameter kinds of a body come from its row, so a wrong parameter does not compile.
 */
import type { StatusName } from "./enums.ts";
import type { HOSTCALLS, HostcallName } from "./hostcall-table.ts";
import type { AbiSince } from "./versions.ts";

/**
 * Parameters on the wire, by kind. `bytes` and `pairs` are (pointer, length) of borrowed guest
 * memory; `out*` are pointers that the host writes to: `outBytes` is two, for the pointer and the
 * length of memory taken from the guest's allocator. i32 arrive signed.
 */
interface WireParams {
  u32: [value: number];
  i32: [value: number];
  i64: [value: bigint];
  u64: [value: bigint];
  bool: [value: number];
  logLevel: [level: number];
  mapType: [type: number];
  bufferType: [type: number];
  streamType: [type: number];
  metricType: [type: number];
  bytes: [ptr: number, len: number];
  pairs: [ptr: number, len: number];
  outU32: [ptr: number];
  outU64: [ptr: number];
  outBytes: [ptrPtr: number, lenPtr: number];
}
export type ParamKind = keyof WireParams;

/** Wire parameters of one kind: how many i32 or i64 it takes. */
export const WIRE_ARITY: Readonly<Record<ParamKind, 1 | 2>> = {
  u32: 1,
  i32: 1,
  i64: 1,
  u64: 1,
  bool: 1,
  logLevel: 1,
  mapType: 1,
  bufferType: 1,
  streamType: 1,
  metricType: 1,
  bytes: 2,
  pairs: 2,
  outU32: 1,
  outU64: 1,
  outBytes: 2,
};

/** The role (src/vm/roles) that a group of hostcalls works on; null = the VM itself. */
export const HOSTCALL_GROUPS = {
  log: "LogHost",
  time: "TimerHost",
  config: null,
  properties: "PropertyHost",
  headers: "HeaderHost",
  buffers: "BufferHost",
  stream: "StreamHost",
  localReply: "StreamHost",
  metrics: "MetricHost",
  context: null,
  foreign: null,
  callout: "CalloutHost",
  grpc: "CalloutHost",
  dns: "CalloutHost",
  higress: "CalloutHost",
  sharedData: "SharedStateHost",
  sharedQueue: "SharedStateHost",
} as const;
export type HostcallGroup = keyof typeof HOSTCALL_GROUPS;

export interface HostcallSpec {
  /** First ABI version that has the function. */
  readonly since: AbiSince;
  readonly group: HostcallGroup;
  readonly params: readonly (readonly [name: string, kind: ParamKind])[];
  /** Statuses the function may answer, beside Unimplemented and InternalFailure when restricted. */
  readonly statuses: readonly StatusName[];
}

type Flatten<P> = P extends readonly [
  readonly [string, infer Kind extends ParamKind],
  ...infer Rest,
]
  ? [...WireParams[Kind], ...Flatten<Rest>]
  : [];

/** The body of one hostcall; it returns a status of {@link StatusName}. */
export type Hostcall<N extends HostcallName> = (
  ...wire: Flatten<(typeof HOSTCALLS)[N]["params"]>
) => number;

type NamesOf<G extends HostcallGroup> = {
  [N in HostcallName]: (typeof HOSTCALLS)[N]["group"] extends G ? N : never;
}[HostcallName];

/** Bodies of every hostcall of one group. */
export type GroupHostcalls<G extends HostcallGroup> = { readonly [N in NamesOf<G>]: Hostcall<N> };
