/**
 * The life of one HTTP/2 connection to an endpoint as a table; every change goes through
 * `nextH2State`.
 */
import { assert } from "../../base/assert.ts";

export const H2_STATES = {
  /** TCP connect and TLS handshake are under way; the connect timer runs. */
  connecting: { connected: "serving", close: "closed" },
  /** Takes streams, as many as the peer lets. */
  serving: { retire: "retiring", close: "closed" },
  /** Takes no more streams (GOAWAY, drain, last permitted request); closes after the last one. */
  retiring: { close: "closed" },
  /** Gone; whatever the session still reports is ignored. */
  closed: {},
} as const satisfies Record<string, Readonly<Record<string, string>>>;

export type H2State = keyof typeof H2_STATES;
type H2Event = "connected" | "retire" | "close";

const TABLE: Readonly<Record<H2State, { readonly [E in H2Event]?: H2State }>> = H2_STATES;

/** The state after `event`; a pair that the table does not have is a programmer error. */
export function nextH2State(state: H2State, event: H2Event): H2State {
  const next = TABLE[state][event];
  assert(next !== undefined, "HTTP/2 connection event that the state does not know");
  return next;
}
