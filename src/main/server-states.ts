/**
 * The life of the server: drawn in the documentation, shown by `/ready` and `server.state`.
 */
import { assert } from "../base/assert.ts";

export type ServerPhase = "initializing" | "live" | "draining" | "stopping" | "stopped";
export type ServerEvent =
  /** Every silo is ready. */
  | "ready"
  /** `/drain_listeners`: no new connections, the process stays. */
  | "drain"
  /** A signal or `/quitquitquit`. */
  | "quit"
  /** Nothing is open any more, or the drain time is over. */
  | "ended";

export const SERVER_PHASES = {
  initializing: { ready: "live", drain: "draining", quit: "stopping", ended: "stopped" },
  live: { drain: "draining", quit: "stopping" },
  // Draining may have been asked for before the silos were ready.
  draining: { ready: "draining", drain: "draining", quit: "stopping" },
  stopping: { ready: "stopping", drain: "stopping", quit: "stopping", ended: "stopped" },
  stopped: { quit: "stopped" },
} as const satisfies Record<ServerPhase, Partial<Record<ServerEvent, ServerPhase>>>;

/** The phase after `event`; a pair that is not in the table is a programmer's error. */
export function nextServerPhase(phase: ServerPhase, event: ServerEvent): ServerPhase {
  const row: Partial<Record<ServerEvent, ServerPhase>> = SERVER_PHASES[phase];
  const next = row[event];
  assert(next !== undefined, `server event ${event} in phase ${phase}`);
  return next;
}
