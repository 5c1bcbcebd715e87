/**
 * One instance of one module on one thread: linked, started, failed, closed. It owns everything its
 * hostcalls need. Plugins with equal code and VM configuration share it. Source: ABI 1.3-1.5, 5.8.
 */

import { GUEST_LOG_LEVEL } from "../abi/enums.ts";
import { LinearMemory } from "../abi/linear-memory.ts";
import { type AbiVersion, detectAbiVersion } from "../abi/versions.ts";
import { AssertionError } from "../base/assert.ts";
import { Logger } from "../base/log.ts";
import type { IsolationConfig, VmConfig } from "../config/types.ts";
import { BodyWindows } from "./body-windows.ts";
import { type GuestEntries, resolveEntries } from "./callbacks.ts";
import { CalloutTable } from "./callouts.ts";
import { ContextTable } from "./contexts.ts";
import { type Coroutines, maySuspend } from "./coroutines/coroutines.ts";
import { createCoroutines } from "./coroutines/create.ts";
import { CurrentCall, DIRECTION } from "./current-call.ts";
import { DeclaredProperties } from "./declared-properties.ts";
import { DeferredActions } from "./deferred-actions.ts";
import { DnsQueries } from "./dns-queries.ts";
import type { EngineInstance, VmEngine } from "./engine.ts";
import { ALLOCATOR_EXPORTS, GuestAllocator } from "./guest-allocator.ts";
import { VmGate } from "./guest-gate.ts";
import { GuestLog } from "./guest-log.ts";
import { GuestResults } from "./guest-results.ts";
import type { HostcallEnv } from "./hostcalls/env.ts";
import { nextVmState, type VmEvent, type VmState } from "./lifecycle.ts";
import { type MemoryAccount, PAGE_BYTES } from "./memory-account.ts";
import type { Probation } from "./probation.ts";
import type { ThreadRoles } from "./roles.ts";
import { importSources, linkModule, runEntryPoint, unservedImports } from "./startup.ts";
import { describeTrap, type VmFailure } from "./trap.ts";
import type { PluginCode } from "./types.ts";

const logger = new Logger("wasm");

interface VmOptions {
  readonly engine: VmEngine;
  readonly config: VmConfig;
  readonly roles: ThreadRoles;
  /** Names that capability_restriction_config allows; null = all. */
  readonly allowed: ReadonlySet<string> | null;
  /** Of the plugin that starts it. */
  readonly isolation: IsolationConfig;
  readonly probation: Probation;
  readonly account: MemoryAccount;
  /** Called once, when it fails after or during its start. */
  onFailure(failure: VmFailure): void;
}

export class Vm implements HostcallEnv {
  readonly config: VmConfig;
  readonly roles: ThreadRoles;
  readonly memory = new LinearMemory();
  readonly call = new CurrentCall();
  readonly contexts = new ContextTable();
  readonly actions = new DeferredActions();
  readonly callouts = new CalloutTable(this);
  readonly declared = new DeclaredProperties();
  readonly windows = new BodyWindows(this.memory);
  readonly dns = new DnsQueries(this);
  readonly log: GuestLog;
  readonly results: GuestResults;
  version: AbiVersion = "0.2.1";
  entries: GuestEntries = resolveEntries(() => null);
  /** Whether the guest may be entered; kept beside the state because each callback reads it. */
  running = false;
  /** A call of the guest is suspended: nobody else may enter it. */
  suspended = false;
  /** Null: the plugin has no coroutines. */
  coroutines: Coroutines | null = null;
  failure: VmFailure | null = null;
  readonly #engine: VmEngine;
  readonly #allowed: ReadonlySet<string> | null;
  readonly #isolation: IsolationConfig;
  readonly #probation: Probation;
  readonly #account: MemoryAccount;
  readonly #onFailure: (failure: VmFailure) => void;
  readonly #allocator: GuestAllocator;
  readonly #stackAllocator: GuestAllocator;
  #state: VmState = "created";

  constructor(options: VmOptions) {
    this.config = options.config;
    this.roles = options.roles;
    this.#engine = options.engine;
    this.#allowed = options.allowed;
    this.#isolation = options.isolation;
    this.#probation = options.probation;
    this.#account = options.account;
    this.#onFailure = options.onFailure;
    this.log = new GuestLog(options.roles, this.call, options.config.vmId);
    this.#allocator = new GuestAllocator(this.memory, this.call);
    this.#stackAllocator = new GuestAllocator(this.memory, this.call);
    this.results = new GuestResults(this.memory, this.#allocator);
  }

  /** Callbacks that wait for the suspended call. */
  get waitingCount(): number {
    return this.coroutines?.waiting.count ?? 0;
  }

  get state(): VmState {
    return this.#state;
  }

  /** Links and starts `code` (ABI 1.4). Returns why it cannot run, or null. */
  start(code: PluginCode): string | null {
    this.#transition("start");
    const exported = this.#engine.exportsOf(code);
    const { version, markers } = detectAbiVersion(exported);
    if (version === null) {
      const found = markers.join(", ") || "none";
      return this.#refuse(`no known ABI version is exported (found: ${found})`);
    }
    this.version = version;
    const names = new Set(exported.map((entry) => entry.name));
    const allocate = ALLOCATOR_EXPORTS.find((name) => names.has(name));
    if (allocate === undefined) {
      return this.#refuse(`no allocator is exported (${ALLOCATOR_EXPORTS.join(" or ")})`);
    }
    if (this.config.coroutines) {
      const imports = this.#engine.importsOf(code);
      this.coroutines = createCoroutines(this, { exports: names, imports });
    }
    const sources = importSources(this, this.#allowed, {
      isolation: this.#isolation,
      probation: this.#probation,
      account: this.#account,
    });
    const problems = unservedImports(this.#engine, code, sources);
    if (problems.length > 0) return this.#refuse(problems.join("; "));
    this.call.begin(null, "start-up", DIRECTION.none);
    try {
      const instance = linkModule(this.#engine, code, {
        sources,
        memory: this.memory,
        gate: new VmGate(this, this.#isolation.handlerWaitMsMax),
      });
      this.#bind(instance, allocate);
      if (!this.#account.claim(this.memory.size() / PAGE_BYTES)) {
        this.call.end();
        return this.#refuse("its memory is more than the plugin's total has left");
      }
      runEntryPoint(instance, this.call);
    } catch (error) {
      if (error instanceof AssertionError) throw error;
      this.fail(error);
      return this.failureText();
    }
    this.call.end();
    this.#transition("started");
    return null;
  }

  /** The VM is dead: an error escaped from the guest. Ends the call that was running. */
  fail(error: unknown): void {
    const reason = this.coroutines?.suspender.failure() ?? "";
    const failure = describeTrap(error, this.call);
    this.failure = reason === "" ? failure : { ...failure, reason };
    this.coroutines?.failing();
    this.actions.callTrapped();
    const report = [this.failureText(), ...this.failure.backtrace].join("\n  ");
    this.log.line(GUEST_LOG_LEVEL.error, report);
    this.call.end();
    this.#transition("fail");
    this.#quiet();
    this.#onFailure(this.failure);
  }

  /** One line that says why the VM failed. */
  failureText(): string {
    if (this.failure === null) return "the VM has not failed";
    return `the VM failed in ${this.failure.callback}: ${this.failure.reason}`;
  }

  /** Guest memory for the frames of suspended calls, or 0. */
  allocateStack(bytes: number): number {
    return this.#stackAllocator.allocate(bytes);
  }

  /** Drops the VM without another call into it. */
  close(): void {
    this.#transition("close");
    this.#quiet();
    this.coroutines?.abandonAll();
  }

  /** Nothing wakes the guest any more. */
  #quiet(): void {
    this.#account.close();
    this.windows.closeAll();
    for (const root of this.contexts.roots()) root.stopTimer();
    this.callouts.cancelAll(null);
  }

  #bind(instance: EngineInstance, allocate: string): void {
    if (instance.memory !== null) this.memory.attach(instance.memory);
    const allocator = instance.getFunction(allocate);
    if (allocator !== null) this.#allocator.bind(allocator);
    // TinyGo's other allocator may take back what only the host uses.
    const lasting = instance.getFunction("malloc") ?? allocator;
    if (lasting !== null) this.#stackAllocator.bind(lasting);
    const allowed = this.#allowed;
    const suspender = this.coroutines?.suspender ?? null;
    suspender?.bind(instance);
    this.entries = resolveEntries((name) => {
      const fn = allowed === null || allowed.has(name) ? instance.getFunction(name) : null;
      if (fn === null || suspender === null || !maySuspend(name)) return fn;
      return suspender.entry(name, fn);
    });
  }

  #transition(event: VmEvent): void {
    const next = nextVmState(this.#state, event);
    if (logger.enabled("debug")) {
      logger.debug(`vm ${this.config.vmKey}: ${event}: ${this.#state} -> ${next}`);
    }
    this.#state = next;
    this.running = next === "running";
  }

  #refuse(reason: string): string {
    this.#account.close();
    this.failure = { kind: "refused", plugin: "", callback: "start-up", reason, backtrace: [] };
    this.#transition("fail");
    return reason;
  }
}
