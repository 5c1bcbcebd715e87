/**
 * What waits for a VM that is busy with a suspended call: callbacks of streams, which settle later,
 * callbacks without a result, answers of callouts. It enters in the order in which it came.
 */
import { type GuestEntry, notifyGuest, runHttpCallback } from "../callbacks.ts";
import type { Callout, CalloutEvent } from "../callout-kinds.ts";
import type { GuestContext, HttpStreamContext } from "../contexts.ts";
import { failedStatus } from "../failure.ts";
import { SUSPENDED, TRAILERS_STATUS } from "../types.ts";
import type { Vm } from "../vm.ts";

interface WaitingStreamCall {
  readonly kind: "stream";
  readonly stream: HttpStreamContext;
  readonly entry: GuestEntry;
  a: number;
  b: number;
}

interface WaitingAnswer {
  readonly kind: "callout";
  readonly callout: Callout;
  readonly event: CalloutEvent;
}

type WaitingCall =
  | WaitingStreamCall
  | WaitingAnswer
  | {
      readonly kind: "notify";
      readonly context: GuestContext;
      readonly entry: GuestEntry;
      readonly a: number;
      readonly b: number;
    }
  /** Callbacks with what belongs around them; runs even when the VM has failed meanwhile. */
  | { readonly kind: "step"; readonly run: () => void };

/** The callback of `stream` that had not returned has `status`. */
export function settle(stream: HttpStreamContext, entry: GuestEntry, status: number): void {
  if (!stream.isNetwork) stream.roles.stream.settle(entry.direction, status);
  else if (status === TRAILERS_STATUS.continue) stream.resume(entry.direction);
}

export class WaitingCalls {
  readonly #vm: Vm;
  #calls: WaitingCall[] = [];
  #streamCalls = 0;

  constructor(vm: Vm) {
    this.#vm = vm;
  }

  get count(): number {
    return this.#calls.length;
  }

  /** A callback of a stream waits. @returns its status for now */
  waitStream(stream: HttpStreamContext, entry: GuestEntry, a: number, b: number): number {
    const known = stream.isNetwork ? this.#ofStream(stream, entry) : null;
    if (known !== null) {
      // Data that came in addition lies behind the former.
      known.a = a;
      known.b = b;
      return TRAILERS_STATUS.stop;
    }
    const { name, isolation } = stream.config;
    if (this.#streamCalls >= isolation.waitingCallsMax) {
      const { log, roles } = this.#vm;
      roles.vmEvents.waitRefused(name);
      log.errorOnce(
        `${isolation.waitingCallsMax} callbacks wait for a suspended call: no more may`,
      );
      return failedStatus(stream, entry);
    }
    this.#streamCalls++;
    this.#calls.push({ kind: "stream", stream, entry, a, b });
    return stream.isNetwork ? TRAILERS_STATUS.stop : SUSPENDED;
  }

  /** A callback without a result waits. */
  waitNotify(context: GuestContext, entry: GuestEntry, a: number, b: number): void {
    this.#calls.push({ kind: "notify", context, entry, a, b });
  }

  waitStep(run: () => void): void {
    this.#calls.push({ kind: "step", run });
  }

  /** Something came for a callout. */
  waitAnswer(callout: Callout, event: CalloutEvent): void {
    this.#calls.push({ kind: "callout", callout, event });
  }

  /** Takes out what came for callout `id`, or null. */
  takeAnswer(id: number): WaitingAnswer | null {
    const index = this.#calls.findIndex(
      (call) => call.kind === "callout" && call.callout.id === id,
    );
    const call = index < 0 ? undefined : this.#calls.splice(index, 1)[0];
    return call?.kind === "callout" ? call : null;
  }

  /** Forgets the callbacks of a stream that has ended. */
  dropStream(stream: HttpStreamContext): void {
    if (this.#streamCalls === 0) return;
    this.#calls = this.#calls.filter((call) => call.kind !== "stream" || call.stream !== stream);
    this.#streamCalls = this.#calls.filter((call) => call.kind === "stream").length;
  }

  /** Lets in what waits, until a call is suspended again. */
  drain(): void {
    while (!this.#vm.suspended && this.#vm.running) {
      const next = this.#shift();
      if (next === null) return;
      this.#enter(next);
    }
  }

  /** The VM is dead: streams get the plugin's policy, bookkeeping is done. */
  abandon(): void {
    for (let next = this.#shift(); next !== null; next = this.#shift()) {
      if (next.kind === "step") next.run();
      else if (next.kind === "stream" && next.stream.isOpen) {
        settle(next.stream, next.entry, failedStatus(next.stream, next.entry));
      }
    }
  }

  #enter(next: WaitingCall): void {
    if (next.kind === "step") next.run();
    else if (next.kind === "callout") this.#vm.callouts.enter(next.callout, next.event);
    else if (next.kind === "notify") notifyGuest(next.context, next.entry, next.a, next.b);
    else {
      const status = runHttpCallback(next.stream, next.entry, next.a, next.b);
      if (status !== SUSPENDED) settle(next.stream, next.entry, status);
    }
  }

  /** The callback `entry` of `stream` that waits already, or null. */
  #ofStream(stream: HttpStreamContext, entry: GuestEntry): WaitingStreamCall | null {
    for (const call of this.#calls) {
      if (call.kind === "stream" && call.stream === stream && call.entry === entry) return call;
    }
    return null;
  }

  #shift(): WaitingCall | null {
    const call = this.#calls.shift();
    if (call?.kind === "stream") this.#streamCalls--;
    return call ?? null;
  }
}
