/**
 * From the bytes of a module that nobody trusts to code that silos may run: counted, rewritten,
 * validated, compiled. Thread: pool worker.
 */
import { rewriteModule } from "../abi/module-rewriter.ts";
import type { CpuTasks } from "./cpu-tasks.ts";

export const prepareModule: CpuTasks["prepare"] = ({ bytes, options }) => {
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
};

/** What the engine says against `bytes`. */
function invalid(bytes: Uint8Array): Error {
  try {
    new WebAssembly.Module(bytes);
  } catch (error) {
    if (error instanceof Error) return error;
  }
  return new Error("the module is not valid");
}
