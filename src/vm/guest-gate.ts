/**
 * Calls that a guest begins by itself, between callbacks: the null engine's handlers go on after
 * they have waited. Each hostcall of such a handler is a call of its own; effects that wait for the
 * guest's return (ABI 2.1) happen once the handler waits again or has ended.
 * @hot per-hostcall
 */
import { assert } from "../base/assert.ts";
import { DIRECTION } from "./current-call.ts";
import type { GuestGate } from "./engine.ts";
import { settleStreams } from "./failure.ts";
import type { Vm } from "./vm.ts";

export class VmGate implements GuestGate {
  readonly #vm: Vm;
  #isScheduled = false;

  constructor(vm: Vm) {
    this.#vm = vm;
  }

  open(contextId: number, name: string): boolean {
    const vm = this.#vm;
    if (!vm.running || vm.call.active) return false;
    const context = vm.contexts.get(contextId);
    if (context === null) return false;
    vm.call.begin(context, name, DIRECTION.none);
    vm.actions.callBegins();
    return true;
  }

  close(): void {
    const { call, actions } = this.#vm;
    assert(call.active, "a call that was not begun ends");
    call.end();
    if (!actions.isPending || this.#isScheduled) return;
    this.#isScheduled = true;
    // After the handler's present turn, as after a callback: in the same microtask queue.
    queueMicrotask(this.#run);
  }

  fail(contextId: number, name: string, error: unknown): void {
    const vm = this.#vm;
    if (!vm.running) return;
    assert(!vm.call.active, "the guest fails outside of its call while another one runs");
    vm.call.begin(vm.contexts.get(contextId), name, DIRECTION.none);
    vm.actions.callBegins();
    vm.fail(error);
    settleStreams(vm);
  }

  after(delayMs: number, run: () => void): () => void {
    return this.#vm.roles.timers.after(delayMs, run);
  }

  warn(text: string): void {
    this.#vm.log.warn(text);
  }

  readonly #run = (): void => {
    this.#isScheduled = false;
    if (this.#vm.running) this.#vm.actions.run();
  };
}
