/**
 * Loaded into a proxy under test (`--import`): on SIGUSR2 silo 0 meets the fate that
 * GRANARY_TEST_FATE names. Main forwards the signal, for signals reach no other thread.
 */
import { isMainThread, BroadcastChannel as ThreadChannel, workerData } from "node:worker_threads";

const FATES: Readonly<Record<string, () => void>> = {
  "throws an error": () => {
    throw new Error("a programmer's error in this test");
  },
  exits: () => process.exit(7),
  "stands still": () => {
    for (;;);
  },
};

const channel = new ThreadChannel("silo-fate");
if (isMainThread) {
  process.on("SIGUSR2", () => channel.postMessage("now"));
} else if ((workerData as { readonly index?: unknown } | null)?.index === 0) {
  const fate = FATES[process.env["GRANARY_TEST_FATE"] ?? ""];
  channel.onmessage = () => setImmediate(() => fate?.());
}
(channel as unknown as { unref(): void }).unref();
