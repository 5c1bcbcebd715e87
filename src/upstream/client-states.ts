/**
 * The life of one upstream connection as a table; every change goes through `nextClientState`.
 * @hot per-request
 */
import { assert } from "../base/assert.ts";

export const CLIENT_STATES = {
  /** TCP connect and TLS handshake are under way; the connect timer runs. */
  connecting: { connected: "idle", close: "closed" },
  /** Ready and without an exchange. */
  idle: { assign: "busy", close: "closed" },
  /** Serves one exchange. */
  busy: { free: "idle", close: "closed" },
  /** Gone; whatever the socket still reports is ignored. */
  closed: {},
} as const satisfies Record<string, Readonly<Record<string, string>>>;

export type ClientState = keyof typeof CLIENT_STATES;
type ClientEvent = "connected" | "assign" | "free" | "close";

const TABLE: Readonly<Record<ClientState, { readonly [E in ClientEvent]?: ClientState }>> =
  CLIENT_STATES;

/** The state after `event`; a pair that the table does not have is a programmer error. */
export function nextClientState(state: ClientState, event: ClientEvent): ClientState {
  const next = TABLE[state][event];
  assert(next !== undefined, "connection event that the state does not know");
  return next;
}
