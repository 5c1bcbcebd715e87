/**
 * Effects that hostcalls ask for and that happen once the guest has returned, first in first out
 * (ABI 2.1). A call that traps takes back what it asked for.
 */
import { assertNever } from "../base/assert.ts";
import type { Callout, CalloutEvent } from "./callout-kinds.ts";
import type { HttpStreamContext } from "./contexts.ts";
import type { LocalReply } from "./roles.ts";
import type { RootContext } from "./root-context.ts";

export type DeferredAction =
  | { readonly kind: "continueRequest"; readonly stream: HttpStreamContext }
  | { readonly kind: "continueResponse"; readonly stream: HttpStreamContext }
  | { readonly kind: "closeStream"; readonly stream: HttpStreamContext }
  | { readonly kind: "clearRouteCache"; readonly stream: HttpStreamContext }
  | { readonly kind: "localReply"; readonly stream: HttpStreamContext; readonly reply: LocalReply }
  | { readonly kind: "callout"; readonly callout: Callout; readonly event: CalloutEvent }
  | { readonly kind: "deleteRoot"; readonly root: RootContext };

export class DeferredActions {
  readonly #queue: DeferredAction[] = [];
  #head = 0;
  /** Length of the queue when the running call began. */
  #mark = 0;

  /** Whether there is anything to run. */
  get isPending(): boolean {
    return this.#head < this.#queue.length;
  }

  push(action: DeferredAction): void {
    this.#queue.push(action);
  }

  callBegins(): void {
    this.#mark = this.#queue.length;
  }

  /** Takes back what the running call has queued. */
  callTrapped(): void {
    for (const action of this.#queue.slice(this.#mark)) {
      if (action.kind === "localReply") action.stream.replied = false;
    }
    this.#queue.length = this.#mark;
  }

  /** Takes out what the running call, which is suspended, has queued. */
  takeOwn(): readonly DeferredAction[] {
    return this.#queue.splice(this.#mark);
  }

  /** Runs all actions. An action may enter the guest again, whose actions then run in there. */
  run(): void {
    if (this.#queue.length === 0) return;
    while (this.#head < this.#queue.length) {
      const action = this.#queue[this.#head++];
      if (action !== undefined) runAction(action);
    }
    this.#queue.length = 0;
    this.#head = 0;
    this.#mark = 0;
  }
}

function runAction(action: DeferredAction): void {
  if (action.kind === "deleteRoot") {
    action.root.delete();
    return;
  }
  if (action.kind === "callout") {
    action.callout.root.vm.callouts.deliver(action.callout, action.event);
    return;
  }
  const stream = action.stream;
  if (!stream.isOpen || stream.failed) return;
  switch (action.kind) {
    case "continueRequest":
      stream.resumeRequest();
      return;
    case "continueResponse":
      stream.resumeResponse();
      return;
    case "closeStream":
      stream.roles.stream.closeStream();
      return;
    case "clearRouteCache":
      stream.roles.stream.clearRouteCache();
      return;
    case "localReply":
      stream.reply(action.reply);
      return;
    default:
      assertNever(action);
  }
}
