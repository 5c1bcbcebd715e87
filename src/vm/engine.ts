/**
 * What the VM needs of an engine that executes guest code. Adding an engine means implementing this
 * and nothing else.
 */
import type { ImportedStores, ImportPlan, ModuleImport } from "../abi/imports.ts";
import type { PluginCode } from "./types.ts";

/**
 * An exported guest function; arguments are i32, the result i32 or nothing. It throws on a trap.
 */
export type GuestFunction = (...wire: number[]) => unknown;

export interface ModuleExport {
  readonly name: string;
  readonly kind: string;
}

export interface EngineInstance {
  /** Memory the module exports or imports; null when it has none. */
  readonly memory: WebAssembly.Memory | null;
  /** The exported function `name`, or null. */
  getFunction(name: string): GuestFunction | null;
}

/**
 * The way into the VM for guests that go on by themselves between callbacks: what they call there
 * counts as a call of one of their contexts.
 */
export interface GuestGate {
  /** Begins such a call; false: the context or the VM is gone, or the guest runs already. */
  open(contextId: number, name: string): boolean;
  /** Ends it; what was asked for happens when the present turn of the guest's code is over. */
  close(): void;
  /** An error that nobody in the guest caught: the VM has failed. `name` is what it came from. */
  fail(contextId: number, name: string, error: unknown): void;
  /** How long a handler may wait, in milliseconds; 0 = as long as it wants. */
  readonly waitMsMax: number;
  monotonicMs(): number;
  /**
   * The handler `name` of context `contextId` has waited for too long. "failed": its stream has
   * been answered by the failure policy; "passed": the stream, or the plugin, goes on without it.
   */
  giveUp(contextId: number, name: string): "failed" | "passed";
  /** Calls `run` once after `delayMs`, unless the returned function is called before. */
  after(delayMs: number, run: () => void): () => void;
  /** Says on the log that the guest did something wrong that does not end it. */
  warn(text: string): void;
}

export interface VmEngine {
  readonly name: string;
  exportsOf(code: PluginCode): readonly ModuleExport[];
  importsOf(code: PluginCode): readonly ModuleImport[];
  /**
   * Instantiates `code`; its `(start)` section runs now. `plan` is asked for the imports, again
   * when the stores it was given do not fit what the module declares. Throws on a trap in the start
   * section and on a link error.
   */
  link(
    code: PluginCode,
    plan: (stores: ImportedStores) => ImportPlan,
    gate: GuestGate,
  ): EngineInstance;
}
