/**
 * The life of one silo thread as the supervisor sees it. Acts are tied to edges in `supervisor.ts`:
 * leaving `ready` unregisters the silo before anything else happens to it, entering `failed` kills
 * the thread, entering `stopped` reclaims what it had not taken and replaces it where wanted.
 */
import { assert } from "../base/assert.ts";

export type SiloState = "starting" | "ready" | "draining" | "failed" | "stopped";
export type SiloEvent =
  /** The silo says that it takes connections. */
  | "ready"
  /** Main asks it to finish. */
  | "drain"
  /** It reported a failure, threw, stood still, or took too long to start. */
  | "fail"
  /** The thread is gone. */
  | "exit";

export const SILO_STATES = {
  starting: { ready: "ready", drain: "draining", fail: "failed", exit: "stopped" },
  ready: { drain: "draining", fail: "failed", exit: "stopped" },
  // "ready" was on its way when the order to drain was given.
  draining: { ready: "draining", fail: "failed", exit: "stopped" },
  // The thread is being killed; what it still says changes nothing.
  failed: { ready: "failed", drain: "failed", fail: "failed", exit: "stopped" },
  stopped: {},
} as const satisfies Record<SiloState, Partial<Record<SiloEvent, SiloState>>>;

/** The state after `event`; a pair that is not in the table is a programmer's error. */
export function nextSiloState(state: SiloState, event: SiloEvent): SiloState {
  const row: Partial<Record<SiloEvent, SiloState>> = SILO_STATES[state];
  const next = row[event];
  assert(next !== undefined, `silo event ${event} in state ${state}`);
  return next;
}
