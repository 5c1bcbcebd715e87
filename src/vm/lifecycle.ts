/** The life of a VM as a table. Source: DESIGN, failure; ABI 5.8. */
import { assert } from "../base/assert.ts";

export const VM_STATES = {
  created: { start: "starting", close: "closed" },
  starting: { started: "running", fail: "failed", close: "closed" },
  running: { fail: "failed", close: "closed" },
  failed: { fail: "failed", close: "closed" },
  closed: { close: "closed" },
} as const;

export type VmState = keyof typeof VM_STATES;
export type VmEvent = "start" | "started" | "fail" | "close";

/** The state after `event`; an event that the table does not have is a programmer error. */
export function nextVmState(state: VmState, event: VmEvent): VmState {
  const row: Readonly<Partial<Record<VmEvent, VmState>>> = VM_STATES[state];
  const next = row[event];
  assert(next !== undefined, `vm: ${event} while ${state}`);
  return next;
}
