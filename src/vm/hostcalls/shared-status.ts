/**
 * Results of shared data and shared queues as statuses. What the guest cannot know from the status
 * is logged, once a VM.
 * @hot per-hostcall
 */
import { STATUS } from "../../abi/enums.ts";
import { SHARED } from "../../shm/shared-data.ts";
import { QUEUED } from "../../shm/shared-queues.ts";
import type { HostcallEnv } from "./env.ts";

/** The status of a result, and what is logged; "" = nothing. */
type Row = readonly [status: number, problem: string];
type Rows = Readonly<Record<number, Row>>;

const DATA: Rows = {
  [SHARED.done]: [STATUS.ok, ""],
  [SHARED.absent]: [STATUS.notFound, ""],
  [SHARED.casMismatch]: [STATUS.casMismatch, ""],
  [SHARED.full]: [STATUS.internalFailure, "over a limit of shared data, or its memory is full"],
  [SHARED.wrongKind]: [STATUS.badArgument, ""],
  [SHARED.busy]: [STATUS.internalFailure, "shared data is locked"],
};

const QUEUES: Rows = {
  [QUEUED.done]: [STATUS.ok, ""],
  [QUEUED.unknown]: [STATUS.notFound, ""],
  [QUEUED.empty]: [STATUS.empty, ""],
  [QUEUED.full]: [STATUS.internalFailure, "over a limit of shared queues, or their memory is full"],
  [QUEUED.busy]: [STATUS.internalFailure, "the shared queue is locked"],
};

/** Gives the status of a result of the call `name`. */
type StatusOf = (env: HostcallEnv, name: string, result: number) => number;

function statusOf(rows: Rows): StatusOf {
  return (env, name, result) => {
    const row = rows[result];
    if (row === undefined) return STATUS.internalFailure;
    if (row[1] !== "") env.log.errorOnce(name + ": " + row[1]);
    return row[0];
  };
}

/** Of a SHARED result. */
export const dataStatus: StatusOf = statusOf(DATA);
/** Of a QUEUED result. */
export const queueStatus: StatusOf = statusOf(QUEUES);

/** Gives the guest a copy of the first `length` of `bytes`. */
export function giveCopy(
  env: HostcallEnv,
  from: { readonly bytes: Buffer; readonly length: number },
  ptrPtr: number,
  lenPtr: number,
): number {
  const { memory, results } = env;
  // The guest's allocator may make the next call, which leaves its own result in `from`.
  const { bytes, length } = from;
  if (length === 0) return results.empty(ptrPtr, lenPtr);
  const ptr = results.reserve(length, ptrPtr, lenPtr);
  const target = ptr === 0 ? null : memory.view(ptr, length);
  if (target === null) return STATUS.invalidMemoryAccess;
  bytes.copy(target, 0, 0, length);
  return STATUS.ok;
}
