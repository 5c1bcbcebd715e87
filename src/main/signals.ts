/**
 * What the process does on signals. Source: Envoy, server.cc (SIGTERM, SIGINT, SIGUSR1, SIGHUP).
 */
import { constants } from "node:os";
import { Logger } from "../base/log.ts";

const log = new Logger("main");

export interface SignalActions {
  /** The first SIGTERM or SIGINT. */
  quit(): void;
  /** The second one: ends now, with the code a shell gives for the signal. */
  abandon(exitCode: number): void;
  reopenLogs(): void;
}

const SIGNAL_EXIT_BASE = 128;

/** Installs the handlers; returns what removes them. Thread: main. */
export function installSignals(actions: SignalActions): () => void {
  let asked = false;
  const end = (signal: "SIGTERM" | "SIGINT") => () => {
    if (asked) actions.abandon(SIGNAL_EXIT_BASE + constants.signals[signal]);
    else log.warn(`caught ${signal}`);
    if (!asked) actions.quit();
    asked = true;
  };
  const handlers = {
    SIGTERM: end("SIGTERM"),
    SIGINT: end("SIGINT"),
    SIGUSR1: () => actions.reopenLogs(),
    SIGHUP: () => log.warn("caught and eating SIGHUP"),
  } as const;
  const entries = Object.entries(handlers) as [keyof typeof handlers, () => void][];
  for (const [signal, handler] of entries) process.on(signal, handler);
  return () => {
    for (const [signal, handler] of entries) process.off(signal, handler);
  };
}
