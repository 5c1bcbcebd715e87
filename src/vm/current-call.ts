/**
 * What the guest is being called for right now: the context of the event, the context that
 * hostcalls act on (ABI 5.7), and what hostcalls noted for the end of the call. One per VM, reused
 * by each call.
 * @hot per-hostcall
 */
import type { CalloutResult } from "./callout-result.ts";
import type { GuestContext, HttpStreamContext } from "./contexts.ts";
import type { RootContext } from "./root-context.ts";

export const DIRECTION = { none: 0, request: 1, response: 2 } as const;

export class CurrentCall {
  /** Whether guest code of this VM is on the stack. */
  active = false;
  /** Whether that code is the guest's allocator, called from inside a hostcall. */
  allocating = false;
  /** Export that is running, for messages. */
  callback = "start-up";
  direction = 0;
  /** Context of the event; null = the VM context. */
  context: GuestContext | null = null;
  /** Root of the context that hostcalls act on; null = the VM context. */
  root: RootContext | null = null;
  /** Stream that hostcalls act on; null on root and VM contexts. */
  stream: HttpStreamContext | null = null;
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

  begin(context: GuestContext | null, callback: string, direction: number): void {
    this.active = true;
    this.callback = callback;
    this.direction = direction;
    this.stopped = false;
    this.resumed = false;
    this.firstLookMs = -1;
    this.overBudgetMs = 0;
    this.target(context);
    this.context = context;
  }

  /** The call that was suspended goes on, as it was; its CPU budget begins anew. */
  goesOn(): void {
    this.active = true;
    this.firstLookMs = -1;
    this.overBudgetMs = 0;
  }

  /** Makes hostcalls act on `context` until the call ends. */
  target(context: GuestContext | null): void {
    this.root = context === null ? null : context.root;
    this.stream = context === null ? null : context.stream;
  }

  end(): void {
    this.active = false;
    this.allocating = false;
    this.pluginConfigReadable = false;
    this.callData = null;
    this.direction = DIRECTION.none;
    this.context = null;
    this.root = null;
    this.stream = null;
    this.callout = null;
  }
}
