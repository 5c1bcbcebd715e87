/**
 * Suspended calls of one VM: a guest stops in `granary.await` and goes on there when what it waits
 * for has come. The guest has one stack, so there is one suspended call at a time; what would enter
 * the guest meanwhile waits, in order, until that call has returned. Source: ADR 50.
 */
import type { CallbackName } from "../../abi/callback-table.ts";
import { STATUS } from "../../abi/enums.ts";
import { AssertionError, assert } from "../../base/assert.ts";
import { endStreamCall, type GuestEntry, leaveGuest } from "../callbacks.ts";
import { CALLOUT_KIND, type Callout, type CalloutEvent, calloutKind } from "../callout-kinds.ts";
import type { GuestContext, HttpStreamContext } from "../contexts.ts";
import type { DeferredAction } from "../deferred-actions.ts";
import { failedStatus, settleStreams } from "../failure.ts";
import { GuestTrap } from "../trap.ts";
import type { Vm } from "../vm.ts";
import { type Answer, answerOf, failedAnswer, SLEPT } from "./answers.ts";
import { Sleeps } from "./sleeps.ts";
import { SUSPENDED_CALL, type Suspender, type SuspensionOwner, WAIT } from "./suspension.ts";
import { settle, WaitingCalls } from "./waiting-calls.ts";

/** Callbacks in which a guest may await: somebody can wait for their end. */
const SUSPENDABLE: ReadonlySet<string> = new Set<CallbackName>([
  "proxy_on_request_headers",
  "proxy_on_request_body",
  "proxy_on_request_trailers",
  "proxy_on_response_headers",
  "proxy_on_response_body",
  "proxy_on_response_trailers",
  "proxy_on_tick",
  "proxy_on_queue_ready",
  "proxy_on_http_call_response",
  "proxy_on_grpc_receive_initial_metadata",
  "proxy_on_grpc_receive",
  "proxy_on_grpc_receive_trailing_metadata",
  "proxy_on_grpc_close",
]);

export function maySuspend(callback: string): boolean {
  return SUSPENDABLE.has(callback);
}

/** Timers overflow above this. */
const TIMER_MS_MAX = 0x7fffffff;

interface SuspendedCall {
  readonly context: GuestContext;
  readonly entry: GuestEntry;
  /** What it awaits; 0 = it goes on already. */
  token: number;
  /** Effects that it has asked for, which happen at its end. */
  actions: readonly DeferredAction[];
  /** Who called it has gone: its end is told by settling. */
  isLeft: boolean;
  /** Why it may not wait any more; "" = it may. */
  refusal: string;
}

export class Coroutines implements SuspensionOwner {
  readonly #vm: Vm;
  readonly #makeSuspender: (owner: SuspensionOwner) => Suspender;
  readonly #sleeps = new Sleeps();
  /** What waits for the call that is suspended. */
  readonly waiting: WaitingCalls;
  #suspender: Suspender | null = null;
  #call: SuspendedCall | null = null;
  #wanted = 0;
  #answer: Answer = SLEPT;
  #cancelTimer: (() => void) | null = null;
  /** When the call went on that is running. */
  #wentOnNs: bigint | null = null;

  constructor(vm: Vm, makeSuspender: (owner: SuspensionOwner) => Suspender) {
    this.#vm = vm;
    this.waiting = new WaitingCalls(vm);
    this.#makeSuspender = makeSuspender;
  }

  get suspender(): Suspender {
    this.#suspender ??= this.#makeSuspender(this);
    return this.#suspender;
  }

  // --- from the guest -------------------------------------------------------------------------

  /** A token that is over in `ms`; 0: there are too many, or no context. */
  sleep(ms: number): number {
    const { call, callouts } = this.#vm;
    if (call.context === null) return 0;
    const token = callouts.nextId(CALLOUT_KIND.sleep);
    return this.#sleeps.add(token, call.context, this.#nowMs() + ms) ? token : 0;
  }

  /**
   * Awaits `token`. @returns the status; with Ok and what {@link awaited} gives the answer is there
   * already, with WAIT the guest has to stop.
   */
  awaitToken(token: number): number {
    const { call, callouts } = this.#vm;
    const { root } = call;
    if (root === null) return STATUS.badArgument;
    const leftMs = this.#sleeps.leftMs(root, token, this.#nowMs());
    const callout = callouts.of(root, token);
    const isStream = calloutKind(token) === CALLOUT_KIND.grpcStream;
    if ((leftMs === null && callout === null) || isStream) return STATUS.badArgument;
    const refusal = this.#refusal();
    if (refusal !== "") {
      this.#spend(token);
      this.#answer = failedAnswer(refusal);
      return this.#arrive();
    }
    const came = this.waiting.takeAnswer(token);
    if (came !== null) {
      callouts.answered(came.callout);
      this.#answer = answerOf(came.callout, came.event);
      return this.#arrive();
    }
    if (leftMs !== null && leftMs <= 0) {
      this.#sleeps.remove(token);
      this.#answer = SLEPT;
      return this.#arrive();
    }
    this.#wanted = token;
    return WAIT;
  }

  /** Result of the last await that did not have to stop. */
  get awaited(): Uint8Array {
    return this.#answer.bytes;
  }

  // --- from the suspender ---------------------------------------------------------------------

  stops(): void {
    const { call, actions } = this.#vm;
    const { context } = call;
    assert(context !== null, "a call without a context is suspended");
    const isFirst = this.#call === null;
    if (isFirst) this.#vm.roles.vmEvents.suspended(context.root.config.name);
    const suspended = this.#call ?? this.#callOf(context, call.callback as CallbackName);
    this.#measure(suspended);
    suspended.token = this.#wanted;
    suspended.actions = actions.takeOwn();
    this.#hold(suspended);
    call.active = false;
    this.#startTimer(context, suspended.token);
  }

  answer(ptrPtr: number, lenPtr: number): number {
    const vm = this.#vm;
    const call = this.#call;
    // It was let go in the turn in which its VM ended.
    if (call === null) throw new GuestTrap("its VM has ended");
    this.#wentOnNs = vm.roles.timers.monotonicNs();
    vm.call.goesOn();
    vm.actions.callBegins();
    this.#giveBack(call);
    const status = this.#arrive();
    const written = vm.results.optional(this.#answer.bytes, ptrPtr, lenPtr);
    return written === STATUS.ok ? status : written;
  }

  returned(result: unknown): void {
    const call = this.#call;
    if (call === null) return;
    this.#call = null;
    this.#vm.suspended = false;
    this.#measure(call);
    const { context, entry } = call;
    const { root, stream } = context;
    root.clearStatusMessage();
    if (stream !== null) {
      const raw = typeof result === "number" ? result >>> 0 : 0;
      settle(stream, entry, endStreamCall(stream, entry, raw));
    } else {
      leaveGuest(this.#vm);
      root.callEnded(entry);
    }
    this.waiting.drain();
  }

  failed(error: unknown): void {
    if (error instanceof AssertionError) throw error;
    if (!this.#vm.running) return;
    this.#vm.fail(error);
    settleStreams(this.#vm);
  }

  // --- from the VM ----------------------------------------------------------------------------

  /** An entry gave SUSPENDED_CALL: who called it does not wait. */
  left(context: GuestContext, entry: GuestEntry): void {
    const suspended = this.#call ?? this.#callOf(context, entry.name);
    const { call, actions } = this.#vm;
    if (call.active) {
      // It has trapped, which is told later.
      suspended.actions = actions.takeOwn();
      call.active = false;
    }
    suspended.isLeft = true;
    this.#hold(suspended);
  }

  /** Runs `run` when what waits now is through; at once when the VM is free. */
  afterwards(run: () => void): void {
    if (this.#vm.suspended) this.waiting.waitStep(run);
    else run();
  }

  /** Whether an answer was taken: it is awaited, or it waits until the VM is free. */
  takes(callout: Callout, event: CalloutEvent): boolean {
    const call = this.#call;
    if (call !== null && call.token === callout.id) {
      this.#vm.callouts.answered(callout);
      this.#resume(answerOf(callout, event));
      return true;
    }
    if (call === null && this.waiting.count === 0) return false;
    this.waiting.waitAnswer(callout, event);
    return true;
  }

  /** A stream has ended: its call goes on with a failure, its waiting callbacks are forgotten. */
  streamEnded(stream: HttpStreamContext): void {
    this.waiting.dropStream(stream);
    this.#sleeps.removeOf(stream);
    this.#giveUp(stream, "the stream has ended");
  }

  /** The request of `stream` was answered by somebody else: nobody waits for its callbacks. */
  requestAborted(stream: HttpStreamContext): void {
    this.waiting.dropStream(stream);
    this.#giveUp(stream, "the request has been answered");
  }

  /** The suspended call of `stream`, if it is that, goes on with a failure. */
  #giveUp(stream: HttpStreamContext, reason: string): void {
    const call = this.#call;
    if (call === null || call.token === 0 || call.context.stream !== stream) return;
    call.refusal = reason;
    this.#spend(call.token);
    this.#resume(failedAnswer(reason));
  }

  /** The VM fails: what the failed call has asked for comes back, to be taken back. */
  failing(): void {
    this.#stopTimer();
    const call = this.#call;
    if (call === null) return;
    this.#giveBack(call);
    // Who called it is still there and hears of it.
    if (!call.isLeft) this.#call = null;
  }

  /** The VM is dead: streams get the plugin's policy, bookkeeping is done. */
  abandonAll(): void {
    this.#stopTimer();
    this.#vm.suspended = false;
    const call = this.#call;
    this.#call = null;
    const stream = call?.context.stream ?? null;
    if (call !== null && stream?.isOpen === true) {
      settle(stream, call.entry, failedStatus(stream, call.entry));
    }
    this.waiting.abandon();
  }

  // --- inside -----------------------------------------------------------------------------------

  #callOf(context: GuestContext, name: CallbackName): SuspendedCall {
    const entry = this.#vm.entries[name];
    return { context, entry, token: 0, actions: [], isLeft: false, refusal: "" };
  }

  #measure({ context, entry }: SuspendedCall): void {
    if (this.#wentOnNs === null) return;
    const ns = this.#vm.roles.timers.monotonicNs() - this.#wentOnNs;
    this.#wentOnNs = null;
    context.root.cost.wentOn(entry.index, Number(ns));
  }

  #giveBack(call: SuspendedCall): void {
    for (const action of call.actions) this.#vm.actions.push(action);
    call.actions = [];
  }

  #hold(call: SuspendedCall): void {
    this.#call = call;
    this.#vm.suspended = true;
  }

  /** Why the running call cannot be suspended; "" = it can. */
  #refusal(): string {
    const { call, log } = this.#vm;
    if (!maySuspend(call.callback) || call.allocating) {
      log.errorOnce(`granary.await: ${call.callback} cannot wait; await in another callback`);
      return "this callback cannot wait";
    }
    if (call.context?.stream?.isOpen === false) return "the stream has ended";
    return this.#call?.refusal ?? "";
  }

  /** The guest has its answer: maps and buffers show it from now on. @returns the status */
  #arrive(): number {
    const { call } = this.#vm;
    const { status, result, statusCode, statusMessage } = this.#answer;
    call.callout = result;
    const root = call.context?.root ?? null;
    if (root !== null) root.noteStatus(statusCode ?? root.statusCode, statusMessage);
    return status;
  }

  #startTimer(context: GuestContext, token: number): void {
    const { root } = context;
    const limitMs = root.config.isolation.suspensionMsMax || TIMER_MS_MAX;
    const leftMs = this.#sleeps.leftMs(root, token, this.#nowMs());
    const isOver = leftMs !== null && leftMs <= limitMs;
    const delayMs = isOver ? Math.max(0, Math.ceil(leftMs)) : limitMs;
    this.#cancelTimer = this.#vm.roles.timers.after(delayMs, () => {
      this.#cancelTimer = null;
      if (isOver) this.#slept(token);
      else this.#timedOut(context, limitMs);
    });
  }

  /** What was awaited in vain is given up: nobody hears of it any more. */
  #spend(token: number): void {
    const { callouts, call } = this.#vm;
    this.#sleeps.remove(token);
    this.waiting.takeAnswer(token);
    const callout = call.root === null ? null : callouts.of(call.root, token);
    if (callout !== null) callouts.cancel(callout);
  }

  #slept(token: number): void {
    this.#sleeps.remove(token);
    this.#resume(SLEPT);
  }

  #timedOut({ root }: GuestContext, limitMs: number): void {
    const { log, roles, call } = this.#vm;
    this.#spend(this.#call?.token ?? 0);
    roles.vmEvents.suspendedTooLong(root.config.name);
    log.warn(`granary.await: no answer within ${limitMs} ms, in ${call.callback}`);
    this.#resume(failedAnswer(`no answer within ${limitMs} ms`));
  }

  #resume(answer: Answer): void {
    const call = this.#call;
    assert(call !== null, "no call is suspended");
    this.#stopTimer();
    this.#answer = answer;
    call.token = 0;
    let result: unknown;
    try {
      result = this.suspender.resume();
    } catch (error) {
      this.failed(error);
      return;
    }
    if (result !== SUSPENDED_CALL) this.returned(result);
  }

  #stopTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  #nowMs(): number {
    return Number(this.#vm.roles.timers.monotonicNs()) / 1e6;
  }
}
