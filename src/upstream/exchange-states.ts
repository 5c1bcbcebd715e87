/**
 * The life of one exchange (a request and its response on one connection) as a table; every change
 * of state goes through `nextExchangeState`. Request and response run side by side, so a state says
 * both.
 * @hot per-request
 */
import { assert } from "../base/assert.ts";

export const EXCHANGE_STATES = {
  /** No connection yet; what is sent is kept. */
  queued: { assign: "assigned", fail: "ended", cancel: "ended" },
  /** Has a connection; the head is not handed to it yet. */
  assigned: { head: "sending", headAndEnd: "awaiting", fail: "ended", cancel: "ended" },
  /** The request is being sent; no response head yet. */
  sending: { requestEnd: "awaiting", responseHead: "early", fail: "ended", cancel: "ended" },
  /** The request is sent; no response head yet. */
  awaiting: { responseHead: "receiving", fail: "ended", cancel: "ended" },
  /** The response came before the request was sent completely; both go on. */
  early: { requestEnd: "receiving", responseEnd: "ended", fail: "ended", cancel: "ended" },
  /** The request is sent; the response body is being received. */
  receiving: { responseEnd: "ended", fail: "ended", cancel: "ended" },
  /** Over; no event is delivered any more. */
  ended: {},
} as const satisfies Record<string, Readonly<Record<string, string>>>;

export type ExchangeState = keyof typeof EXCHANGE_STATES;
type ExchangeEvent =
  | "assign"
  | "head"
  | "headAndEnd"
  | "requestEnd"
  | "responseHead"
  | "responseEnd"
  | "fail"
  | "cancel";

const TABLE: Readonly<Record<ExchangeState, { readonly [E in ExchangeEvent]?: ExchangeState }>> =
  EXCHANGE_STATES;

/** The state after `event`; a pair that the table does not have is a programmer error. */
export function nextExchangeState(state: ExchangeState, event: ExchangeEvent): ExchangeState {
  const next = TABLE[state][event];
  assert(next !== undefined, "exchange event that the state does not know");
  return next;
}

/** Whether the request was handed to the connection completely. */
export function requestIsComplete(state: ExchangeState): boolean {
  return state === "awaiting" || state === "receiving";
}
