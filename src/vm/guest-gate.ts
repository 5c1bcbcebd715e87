/**
 * Calls that a guest begins by itself, between callbacks: the null engine's handlers go on after
 * they have waited. Each hostcall of such a handler is a call of its own; effects that wait for the
 * guest's return (ABI 2.1) happen once the handler waits again or has ended.
 * @hot per-hostcall
 */
import { GUEST_LOG_LEVEL } from "../abi/enums.ts";
import { assert } from "../base/assert.ts";
import type { HttpStreamContext } from "./contexts.ts";
import { DIRECTION } from "./current-call.ts";
import type { GuestGate } from "./engine.ts";
import { settleStreams } from "./failure.ts";
import type { Vm } from "./vm.ts";

const NS_PER_MS = 1e6;
const MS_PER_SECOND = 1_000;

function outcomeText(stream: HttpStreamContext | null): string {
  if (stream === null) return "nothing waits for it any more";
  return stream.config.failurePolicy === "open"
    ? "its stream goes on without it"
    : "its stream is failed";
}

export class VmGate implements GuestGate {
  readonly waitMsMax: number;
  readonly #vm: Vm;
  #isScheduled = false;

  constructor(vm: Vm, waitMsMax: number) {
    this.#vm = vm;
    this.waitMsMax = waitMsMax;
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

  monotonicMs(): number {
    return Number(this.#vm.roles.timers.monotonicNs()) / NS_PER_MS;
  }

  giveUp(contextId: number, name: string): "failed" | "passed" {
    const vm = this.#vm;
    const context = vm.contexts.get(contextId);
    if (!vm.running || context === null) return "failed";
    const { config } = context.root;
    vm.roles.vmEvents.waitedTooLong(config.name);
    vm.call.begin(context, name, DIRECTION.none);
    const text = `${name} has waited for ${this.waitMsMax / MS_PER_SECOND} s (handler_wait_max)`;
    vm.log.line(GUEST_LOG_LEVEL.error, `${text}: ${outcomeText(context.stream)}`);
    vm.call.end();
    if (context.stream === null || config.failurePolicy === "open") return "passed";
    // The VM lives: the answer passes through its response handlers, as any of its own.
    context.stream.replied = true;
    context.stream.roles.stream.failStream();
    return "failed";
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
