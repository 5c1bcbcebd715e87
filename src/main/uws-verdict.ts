/**
 * Finds out, before anything serves, whether uWebSockets.js may: is it there, does it load in this
 * Node, does it frame messages correctly? Thread: main, at start.
 */
import { Worker } from "node:worker_threads";
import { systemClock } from "../base/clock.ts";
import type { GranaryConfig } from "../config/types.ts";
import type { UwsTrial } from "../silo/messages.ts";
import type { TransportChoice } from "./cli.ts";
import type { UwsVerdict } from "./transports.ts";

const TRIAL_ENTRY = new URL("../silo/downstream/uws-self-test-worker.js", import.meta.url);
/** The trial ends by itself, on a quiet machine within a second. */
const TRIAL_MS_MAX = 30_000;
/** What uWS takes without being told. */
const HEAD_BYTES_MIN = 4_096;
/** uWS reads its limit of request heads from here when it is loaded. */
const HEAD_LIMIT = "UWS_HTTP_MAX_HEADERS_SIZE";

/**
 * Tries uWS where `choice` may lead to it. Without need nothing is loaded, and the verdict is not
 * asked for.
 */
export async function judgeUws(
  choice: TransportChoice,
  { listeners }: GranaryConfig,
): Promise<UwsVerdict> {
  const isTls = listeners.some(({ filterChains }) => filterChains.some(({ tls }) => tls !== null));
  if (choice === "codec" || (choice === "auto" && !isTls)) {
    return { kind: "unusable", reason: "uWS was not tried" };
  }
  const headBytes = listeners
    .flatMap(({ filterChains }) => filterChains)
    .flatMap((chain) => (chain.kind === "http" ? [chain.http.maxRequestHeadersBytes] : []));
  process.env[HEAD_LIMIT] ??= String(Math.max(HEAD_BYTES_MIN, ...headBytes));
  return verdictOf(await runTrial());
}

export function verdictOf(trial: UwsTrial): UwsVerdict {
  if (trial.kind === "absent") return { kind: "unusable", reason: trial.reason };
  if (trial.failures.length === 0) return { kind: "usable" };
  const reason = `the installed uWebSockets.js fails the framing self-test: ${trial.failures.join(", ")}`;
  return { kind: "faulty", reason };
}

function runTrial(): Promise<UwsTrial> {
  return new Promise((resolve) => {
    const worker = new Worker(TRIAL_ENTRY, { name: "uws-trial" });
    const give = (trial: UwsTrial): void => {
      timer.cancel();
      resolve(trial);
    };
    const absent = (reason: string): void => give({ kind: "absent", reason });
    const timer = systemClock.after(TRIAL_MS_MAX, () => absent("the self-test of uWS hangs"));
    let trial: UwsTrial | null = null;
    worker.once("message", (message: UwsTrial) => {
      trial = message;
    });
    worker.once("error", (error) => absent(`the self-test of uWS failed: ${String(error)}`));
    worker.once("exit", () => {
      if (trial === null) absent("the self-test of uWS ended without a result");
      else give(trial);
    });
  });
}
