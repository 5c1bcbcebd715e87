/**
 * Promises of filters that nobody looks at: one that is rejected is told on the log and ends
 * neither the VM nor the thread. Rejections of the proxy's own are left to end the thread.
 */
import { AssertionError } from "../../base/assert.ts";
import { Logger } from "../../base/log.ts";
import { CalloutError, ContextEndedError, GrpcError, HostcallError } from "./errors.ts";

const logger = new Logger("wasm");
/** Names of the scripts that have run on this thread. */
const scripts = new Set<string>();

function isOfScript(reason: unknown): boolean {
  if (!(reason instanceof Error)) return false;
  if ([CalloutError, GrpcError, HostcallError].some((kind) => reason instanceof kind)) return true;
  const stack = reason.stack ?? "";
  return [...scripts].some((filename) => stack.includes(filename));
}

function onUnhandled(reason: unknown): void {
  // A handler that its stream has left behind.
  if (reason instanceof ContextEndedError) return;
  if (reason instanceof AssertionError || !isOfScript(reason)) throw reason;
  logger.error(`a promise of a filter was rejected and nobody looked: ${String(reason)}`);
}

/** Rejections with `filename` in their stack are a filter's from now on. */
export function watchRejections(filename: string): void {
  if (scripts.size === 0) process.on("unhandledRejection", onUnhandled);
  scripts.add(filename);
}
