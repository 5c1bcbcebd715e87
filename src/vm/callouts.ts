/**
 * The callouts of one VM that are under way: ids, who started them, and the one place where an
 * answer becomes a callback. Ids are cpp-host's: the low two bits tell the kind. Source: ABI 2.8,
 * 3.10, 3.11.
 */
import { STATUS } from "../abi/enums.ts";
import { LIMITS } from "../base/limits.ts";
import type { GuestEntry } from "./callbacks.ts";
import { notifyCallout } from "./callbacks.ts";
import { type CalloutResult, httpResult } from "./callout-result.ts";
import type { HttpCallEvents, HttpCallReply, HttpCallRequest, StartedCallout } from "./roles.ts";
import type { RootContext } from "./root-context.ts";
import type { Vm } from "./vm.ts";

/** Low bits of an id. */
const CALLOUT_KIND = { http: 0 } as const;
const ID_STEP = 4;
const ID_MAX = 0xffff_fffc;

/** Something that came for a callout, as its callback shows it. */
export interface CalloutEvent {
  readonly entry: GuestEntry;
  readonly result: CalloutResult;
  /** What proxy_get_status tells meanwhile, and of the code also afterwards. */
  readonly statusCode: number;
  readonly statusMessage: string;
  /** The callout is over: its id is free again before the guest hears of it. */
  readonly isLast: boolean;
}

/** One callout that is under way. */
export abstract class Callout {
  readonly id: number;
  readonly root: RootContext;
  started: StartedCallout | null = null;

  constructor(id: number, root: RootContext) {
    this.id = id;
    this.root = root;
  }
}

class HttpCallout extends Callout implements HttpCallEvents {
  onHttpReply(reply: HttpCallReply): void {
    this.#end(reply, this.root.statusCode, "");
  }

  onHttpFailure(): void {
    this.#end(null, STATUS.brokenConnection, "reset");
  }

  #end(reply: HttpCallReply | null, statusCode: number, statusMessage: string): void {
    const { callouts, entries } = this.root.vm;
    const entry = entries.proxy_on_http_call_response;
    const result = httpResult(reply);
    callouts.deliver(this, { entry, result, statusCode, statusMessage, isLast: true });
  }
}

export class CalloutTable {
  readonly #vm: Vm;
  readonly #callouts = new Map<number, Callout>();
  #lastId = 0;

  constructor(vm: Vm) {
    this.#vm = vm;
  }

  /** Callouts under way. */
  get count(): number {
    return this.#callouts.size;
  }

  /** Starts an HTTP call for `root`; its id, or 0 when it cannot be started. */
  startHttp(root: RootContext, request: HttpCallRequest): number {
    const id = this.#reserve(root, CALLOUT_KIND.http);
    if (id === 0) return 0;
    const callout = new HttpCallout(id, root);
    this.#add(callout);
    callout.started = this.#vm.roles.callouts.httpCall(request, callout);
    return this.#startedId(callout);
  }

  /**
   * Something came for `callout`. The one place where it becomes a callback: never inside another
   * call of the guest (then it waits until that has returned), never for a plugin that is gone.
   */
  deliver(callout: Callout, event: CalloutEvent): void {
    const vm = this.#vm;
    if (this.#callouts.get(callout.id) !== callout) return;
    if (vm.call.active) {
      vm.actions.push({ kind: "callout", callout, event });
      return;
    }
    if (event.isLast) this.#remove(callout);
    const { root } = callout;
    if (!vm.running || !root.isAlive) return;
    root.noteStatus(event.statusCode, event.statusMessage);
    notifyCallout(root, event.entry, callout.id, event.result);
    root.clearStatusMessage();
  }

  /** Cancels what `root` has under way; null = what all have. No callback follows. */
  cancelAll(root: RootContext | null): void {
    for (const callout of [...this.#callouts.values()]) {
      if (root === null || callout.root === root) this.#cancel(callout);
    }
  }

  #cancel(callout: Callout): void {
    if (!this.#remove(callout)) return;
    callout.started?.cancel();
  }

  /** A free id for one more callout of `root`; 0 when it has as many as it may have. */
  #reserve(root: RootContext, kind: number): number {
    if (!root.isAlive) return 0;
    if (root.calloutCount >= LIMITS.calloutsCount) {
      this.#vm.roles.callouts.refused();
      return 0;
    }
    let id: number;
    do {
      this.#lastId = this.#lastId >= ID_MAX ? ID_STEP : this.#lastId + ID_STEP;
      id = (this.#lastId | kind) >>> 0;
    } while (this.#callouts.has(id));
    return id;
  }

  #add(callout: Callout): void {
    callout.root.calloutCount++;
    this.#callouts.set(callout.id, callout);
  }

  #startedId(callout: Callout): number {
    if (callout.started !== null) return callout.id;
    this.#remove(callout);
    return 0;
  }

  #remove(callout: Callout): boolean {
    if (!this.#callouts.delete(callout.id)) return false;
    callout.root.calloutCount--;
    return true;
  }
}
