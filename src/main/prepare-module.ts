/**
 * From the bytes of a module that nobody trusts to code that silos may run: counted, validated,
 * made to suspend where it asks for it, rewritten, compiled. Thread: pool worker.
 */
import { asyncifyExports, canSuspend } from "../abi/coroutine-exports.ts";
import { readModuleInfo } from "../abi/module-info.ts";
import { rewriteModule } from "../abi/module-rewriter.ts";
import { readShape } from "../abi/module-shape.ts";
import { type AsyncifyResult, asyncify } from "./asyncify.ts";
import type { PreparedModule, PrepareTask } from "./cpu-tasks.ts";

export async function prepareModule(task: PrepareTask): Promise<PreparedModule> {
  if (task.coroutines === "asyncify") {
    const suspending = await withSuspension(task.bytes);
    if (suspending.kind === "refused") return suspending;
    return compiled(task, suspending.bytes);
  }
  return compiled(task, task.bytes);
}

/** `bytes` with the limits built in. */
function compiled({ options }: PrepareTask, bytes: Uint8Array): PreparedModule {
  // First: what it counts is bounded before an engine allocates for it.
  const rewritten = rewriteModule(bytes, options);
  if (rewritten.kind === "refused") return rewritten;
  try {
    // The original must be valid by itself, or it could name what only the rewriting adds.
    if (!WebAssembly.validate(bytes)) throw invalid(bytes);
    return { kind: "module", module: new WebAssembly.Module(rewritten.bytes) };
  } catch (error) {
    return { kind: "refused", reason: error instanceof Error ? error.message : String(error) };
  }
}

/** A module that can be suspended; the bytes themselves when it never waits, or can already. */
async function withSuspension(bytes: Uint8Array): Promise<AsyncifyResult> {
  // Binaryen gets nothing but what is bounded and valid.
  const shape = readShape(bytes);
  if (typeof shape === "string") return { kind: "refused", reason: shape };
  const info = readModuleInfo(bytes);
  if ("error" in info) return { kind: "refused", reason: info.error };
  if (!WebAssembly.validate(bytes)) return { kind: "refused", reason: invalid(bytes).message };
  const there = asyncifyExports(info.exports);
  if (typeof there === "object") {
    return { kind: "refused", reason: `it cannot be made to suspend: ${there.problem}` };
  }
  if (there === "all" || !canSuspend(info.imports)) return { kind: "asyncified", bytes };
  return asyncify(bytes);
}

/** What the engine says against `bytes`. */
function invalid(bytes: Uint8Array): Error {
  try {
    new WebAssembly.Module(bytes);
  } catch (error) {
    if (error instanceof Error) return error;
  }
  return new Error("the module is not valid");
}
