/**
 * Enters the guest: one function that every export call goes through, and the three ways to call it
 * (notify, ask, filter). Source: ABI 2.1.
 * @hot per-request
 */

import {
  CALLBACK_NAMES,
  CALLBACKS,
  type CallbackName,
  type CallbackSpec,
  type ResultKind,
} from "../abi/callback-table.ts";
import { AssertionError, assert } from "../base/assert.ts";
import type { CalloutResult } from "./callout-result.ts";
import type { GuestContext, HttpStreamContext } from "./contexts.ts";
import { SUSPENDED_CALL } from "./coroutines/suspension.ts";
import { DIRECTION } from "./current-call.ts";
import type { GuestFunction } from "./engine.ts";
import { failedStatus, settleStreams } from "./failure.ts";
import { convertStatus, stopStatus } from "./filter-status.ts";
import type { RootContext } from "./root-context.ts";
import { HEADERS_STATUS, SUSPENDED } from "./types.ts";
import type { Vm } from "./vm.ts";

/** One callback of one VM. */
export interface GuestEntry {
  readonly name: CallbackName;
  /** In CALLBACK_NAMES. */
  readonly index: number;
  /** Null: not exported, or kept from the guest by the capability restriction. */
  readonly fn: GuestFunction | null;
  readonly result: ResultKind;
  /** Wire parameters, the context id included. */
  readonly arity: number;
  /** A {@link DIRECTION}. */
  readonly direction: number;
}
export type GuestEntries = { readonly [N in CallbackName]: GuestEntry };

/** Looks every callback up once. `find` gives null for what must not be called. */
export function resolveEntries(find: (name: CallbackName) => GuestFunction | null): GuestEntries {
  const entries = CALLBACK_NAMES.map((name, index): [CallbackName, GuestEntry] => {
    const { result, arity, direction }: CallbackSpec = CALLBACKS[name];
    return [name, { name, index, fn: find(name), result, arity, direction: DIRECTION[direction] }];
  });
  return Object.fromEntries(entries) as unknown as GuestEntries;
}

/** Only the callback of an HTTP callout has more parameters. */
const WIRE_ARITY_USUAL = 3;

/** Result of {@link enterGuest} when the VM failed during the call. */
const TRAPPED = -1;
/** The same when the guest has stopped in the middle of the call. */
const STOPPED = -2;

/**
 * Calls an export with `(context id, a, b)` and returns its result as a u32, {@link TRAPPED} or
 * {@link STOPPED}. If it returned the caller reads what hostcalls noted in `vm.call`, then calls
 * {@link leaveGuest}.
 */
function enterGuest(context: GuestContext, entry: GuestEntry, a: number, b: number): number {
  const vm = context.root.vm;
  const call = vm.call;
  const fn = entry.fn;
  assert(!call.active, "the guest is entered while it runs");
  assert(fn !== null, "an absent callback is called");
  call.begin(context, entry.name, entry.direction);
  vm.actions.callBegins();
  const cost = context.root.cost;
  const startNs = cost.begin(entry.index) ? vm.roles.timers.monotonicNs() : null;
  let result: unknown;
  try {
    result =
      entry.arity <= WIRE_ARITY_USUAL
        ? fn(context.id, a, b)
        : fn(context.id, a, b, call.callout?.bodySize ?? 0, call.callout?.trailerCount ?? 0);
  } catch (error) {
    if (error instanceof AssertionError) throw error;
    vm.fail(error);
    return TRAPPED;
  }
  if (startNs !== null) cost.measured(entry.index, Number(vm.roles.timers.monotonicNs() - startNs));
  if (typeof result === "number") return result >>> 0;
  if (result !== SUSPENDED_CALL) return 0;
  vm.coroutines?.left(context, entry);
  return STOPPED;
}

/** Ends a call that returned: clears what was noted, then runs the deferred actions. */
export function leaveGuest(vm: Vm): void {
  vm.call.end();
  vm.windows.afterGuest();
  vm.actions.run();
}

/**
 * Calls a callback without a result; an absent one is fine. False: the VM failed, or the callback
 * has not returned yet. A busy VM makes it wait.
 */
export function notifyGuest(context: GuestContext, entry: GuestEntry, a: number, b = 0): boolean {
  const vm = context.root.vm;
  if (entry.fn === null) return true;
  if (vm.suspended) {
    vm.coroutines?.waiting.waitNotify(context, entry, a, b);
    return true;
  }
  const raw = enterGuest(context, entry, a, b);
  if (raw === STOPPED) return false;
  if (raw === TRAPPED) {
    settleStreams(vm);
    return false;
  }
  leaveGuest(vm);
  return true;
}

/**
 * Tells the guest about callout `id`: `result` is what its maps and buffers are until the callback
 * has returned. False when the VM failed. Source: ABI 2.8.
 */
export function notifyCallout(
  root: RootContext,
  entry: GuestEntry,
  id: number,
  result: CalloutResult,
): boolean {
  root.vm.call.callout = result;
  const alive = notifyGuest(root, entry, id, result.count);
  root.vm.call.callout = null;
  return alive;
}

/** Calls a callback that answers yes or no; null when the VM failed. An absent one says yes. */
export function askGuest(context: GuestContext, entry: GuestEntry, a: number): boolean | null {
  const vm = context.root.vm;
  if (entry.fn === null) return true;
  const answer = enterGuest(context, entry, a, 0);
  if (answer === TRAPPED) {
    settleStreams(vm);
    return null;
  }
  leaveGuest(vm);
  return answer !== 0;
}

/** Calls a callback of a stream and returns its status after conversion, or SUSPENDED. */
export function runHttpCallback(
  stream: HttpStreamContext,
  entry: GuestEntry,
  a: number,
  b: number,
): number {
  const vm = stream.root.vm;
  if (!vm.running) return failedStatus(stream, entry);
  if (stream.replied && entry.direction === DIRECTION.request) return stopStatus(entry.result);
  if (entry.fn === null) return HEADERS_STATUS.continue;
  if (vm.suspended) return vm.coroutines?.waiting.waitStream(stream, entry, a, b) ?? SUSPENDED;
  const raw = enterGuest(stream, entry, a, b);
  if (raw === STOPPED) return SUSPENDED;
  if (raw === TRAPPED) {
    const status = failedStatus(stream, entry);
    settleStreams(vm);
    return status;
  }
  return endStreamCall(stream, entry, raw);
}

/** Ends a call for a stream that returned `raw`; its status after conversion. */
export function endStreamCall(stream: HttpStreamContext, entry: GuestEntry, raw: number): number {
  const { vm } = stream.root;
  const status = convertStatus(stream, entry.result, raw);
  const isHeld = status !== HEADERS_STATUS.continue && !vm.call.stopped;
  stream.notePause(entry.direction, isHeld);
  leaveGuest(vm);
  return status;
}
