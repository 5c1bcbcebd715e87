/**
 * The thread in which uWS is tried before it serves, so that main never holds its event loop. Posts
 * one UwsTrial and ends.
 */
import { parentPort } from "node:worker_threads";
import { present } from "../../base/assert.ts";
import { systemClock } from "../../base/clock.ts";
import { loadNative } from "../../base/native.ts";
import type { UwsTrial } from "../messages.ts";
import { loadUws } from "./uws-library.ts";
import { runSelfTest } from "./uws-self-test.ts";

async function trial(): Promise<UwsTrial> {
  const native = loadNative();
  if (native.kind === "loaded") native.bindings.armLoopGuard();
  const load = await loadUws();
  if (load.kind === "absent") return load;
  const app = load.library.App();
  const adopts = typeof app.adoptSocket === "function";
  app.close();
  if (!adopts)
    return { kind: "absent", reason: "this uWebSockets.js cannot take over connections" };
  const failures = await runSelfTest(load.library, systemClock);
  return { kind: "tried", failures };
}

present(parentPort, "the trial's parent port").postMessage(await trial());
