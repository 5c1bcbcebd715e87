/**
 * The callouts of one VM that are under way: who started them, how many there may be, and the one
 * place where what comes for them enters the guest.
 */
import { LIMITS } from "../base/limits.ts";
import { notifyCallout } from "./callbacks.ts";
import {
  CALLOUT_KIND,
  type Callout,
  type CalloutEvent,
  GrpcCall,
  GrpcCallout,
  GrpcStream,
  HttpCallout,
} from "./callout-kinds.ts";
import type { GrpcRequest, HttpCallRequest } from "./roles.ts";
import type { RootContext } from "./root-context.ts";
import type { Vm } from "./vm.ts";

const ID_STEP = 4;
const ID_MAX = 0xffff_fffc;

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

  /** The callout `id` of `root`, or null. */
  of(root: RootContext | null, id: number): Callout | null {
    const callout = this.#callouts.get(id);
    return callout !== undefined && callout.root === root ? callout : null;
  }

  /** The gRPC callout `id` of `root`, or null. */
  grpc(root: RootContext | null, id: number): GrpcCallout | null {
    const callout = this.of(root, id);
    return callout instanceof GrpcCallout ? callout : null;
  }

  /** A number that stands for nothing yet; `kind` is a CALLOUT_KIND. */
  nextId(kind: number): number {
    let id: number;
    do {
      this.#lastId = this.#lastId >= ID_MAX ? ID_STEP : this.#lastId + ID_STEP;
      id = (this.#lastId | kind) >>> 0;
    } while (this.#callouts.has(id));
    return id;
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

  /** Starts a gRPC call that sends `message` and no other; its id, or 0. */
  startGrpcCall(root: RootContext, request: GrpcRequest, message: Uint8Array): number {
    const id = this.#reserve(root, CALLOUT_KIND.grpcCall);
    if (id === 0) return 0;
    const callout = new GrpcCall(id, root);
    this.#startGrpc(callout, request);
    callout.grpc?.send(message, true);
    return this.#startedId(callout);
  }

  /** Opens a gRPC stream; its id, or 0. */
  startGrpcStream(root: RootContext, request: GrpcRequest): number {
    const id = this.#reserve(root, CALLOUT_KIND.grpcStream);
    if (id === 0) return 0;
    const callout = new GrpcStream(id, root);
    this.#startGrpc(callout, request);
    return this.#startedId(callout);
  }

  /**
   * Something came for `callout`. Never inside another call of the guest: then it waits until that
   * has returned, unless that call awaits it.
   */
  deliver(callout: Callout, event: CalloutEvent): void {
    const { call, actions, coroutines } = this.#vm;
    if (this.#callouts.get(callout.id) !== callout) return;
    if (coroutines?.takes(callout, event) === true) return;
    if (call.active) actions.push({ kind: "callout", callout, event });
    else this.enter(callout, event);
  }

  /** The one place where it becomes a callback, never for a plugin that is gone. */
  enter(callout: Callout, event: CalloutEvent): void {
    const vm = this.#vm;
    if (this.#callouts.get(callout.id) !== callout) return;
    if (event.isLast) this.#remove(callout);
    const { root } = callout;
    if (!vm.running || !root.isAlive) return;
    root.noteStatus(event.statusCode, event.statusMessage);
    notifyCallout(root, event.entry, callout.id, event.result);
    root.clearStatusMessage();
  }

  /** Somebody awaited `callout`: no callback follows. */
  answered(callout: Callout): void {
    this.#remove(callout);
  }

  /** Gives one callout up: no callback follows. */
  cancel(callout: Callout): void {
    if (this.#remove(callout)) callout.started?.cancel();
  }

  /** Cancels what `root` has under way; null = what all have. */
  cancelAll(root: RootContext | null): void {
    for (const callout of [...this.#callouts.values()]) {
      if (root === null || callout.root === root) this.cancel(callout);
    }
  }

  #startGrpc(callout: GrpcCallout, request: GrpcRequest): void {
    this.#add(callout);
    callout.grpc = this.#vm.roles.callouts.grpcCall(request, callout);
    callout.started = callout.grpc;
  }

  /** A free id for one more callout of `root`; 0 when it has as many as it may have. */
  #reserve(root: RootContext, kind: number): number {
    if (!root.isAlive) return 0;
    if (root.calloutCount >= LIMITS.calloutsCount) {
      this.#vm.roles.callouts.refused();
      return 0;
    }
    return this.nextId(kind);
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
