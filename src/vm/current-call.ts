/**
 * What the guest is being called for right now: the context of the event, the context that
 * hostcalls act on (ABI 5.7), and what hostcalls noted for the end of the call. One per VM, reused
 * by each call.
 * @hot per-hostcall
 */
import { HOSTCALL_NAMES } from "../abi/hostcall-table.ts";
import type { CalloutResult } from "./callout-result.ts";
import type { GuestContext, HttpStreamContext } from "./contexts.ts";
import type { RootContext } from "./root-context.ts";

export const DIRECTION = { none: 0, request: 1, response: 2 } as const;

/** For calls that no plugin is there for. */
const NOBODYS_HOSTCALLS = new Float64Array(HOSTCALL_NAMES.length);

export class CurrentCall {
  /** Whether guest code of this VM is on the stack. */
  active = false;
  /** Whether that code is the guest's allocator, called from inside a hostcall. */
  allocating = false;
  /** Export that is running, for messages. */
  callback = "start-up";
  direction = 0;
  /** Calls of hostcalls, of the plugin that the guest acts for. */
  hostcalls: Float64Array = NOBODYS_HOSTCALLS;
  /** A local reply was sent for the stream of this callback. */
  stopped = false;
  /** The stream of this callback was continued in the direction of this callback. */
  resumed = false;
  /** When this call was first found to be running, by metered code; -1 = not yet. */
  firstLookMs = -1;
  /** The budget that this call used up; 0 = it did not. */
  overBudgetMs = 0;
  /** What buffer 8 holds; null = nothing. */
  callData: Uint8Array | null = null;
  /** Whether buffer 7 is readable (ABI 4.5). */
  pluginConfigReadable = false;
  /** What the callout brought whose callback is running; null in other callbacks. */
  callout: CalloutResult | null = null;

  /** Context of the event. */
  #context: GuestContext | null = null;
  /** What hostcalls act on instead. */
  #target: GuestContext | null = null;

  /** Context of the event; null = the VM context, as it is in the allocator. */
  get context(): GuestContext | null {
    return this.allocating ? null : this.#context;
  }

  /** Root of the context that hostcalls act on; null = the VM context. */
  get root(): RootContext | null {
    const context = this.#target ?? this.context;
    return context === null || this.allocating ? null : context.root;
  }

  /** Stream that hostcalls act on; null on root and VM contexts. */
  get stream(): HttpStreamContext | null {
    const context = this.#target ?? this.context;
    return context === null || this.allocating ? null : context.stream;
  }

  // Each object that is stored here is young, and this one is old: the engine notes each such store.
  begin(context: GuestContext | null, callback: string, direction: number): void {
    this.active = true;
    this.callback = callback;
    this.direction = direction;
    this.stopped = false;
    this.resumed = false;
    this.firstLookMs = -1;
    this.overBudgetMs = 0;
    this.#context = context;
    this.hostcalls = context === null ? NOBODYS_HOSTCALLS : context.root.cost.hostcalls;
  }

  /** The call that was suspended goes on, as it was; its CPU budget begins anew. */
  goesOn(): void {
    this.active = true;
    this.firstLookMs = -1;
    this.overBudgetMs = 0;
  }

  /** Makes hostcalls act on `context` until the call ends; null = on the event's again. */
  actOn(context: GuestContext | null): void {
    // The allocator acts on nothing.
    if (this.allocating) return;
    this.#target = context === this.#context ? null : context;
    const actedOn = context ?? this.#context;
    if (actedOn !== null) this.hostcalls = actedOn.root.cost.hostcalls;
  }

  end(): void {
    this.active = false;
    this.allocating = false;
    this.pluginConfigReadable = false;
    this.callData = null;
    this.direction = DIRECTION.none;
    this.#context = null;
    this.#target = null;
    this.callout = null;
  }
}
