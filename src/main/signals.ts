/**
 * What the process does on signals. Source: Envoy, server.cc (SIGTERM, SIGINT, SIGUSR1); SIGHUP,
 * which Envoy eats, reads the configuration again.
 */
import { constants } from "node:os";
import type { Clock } from "../base/clock.ts";
import { Logger } from "../base/log.ts";

const log = new Logger("main");

export interface SignalActions {
  /** The first SIGTERM or SIGINT. */
  quit(): void;
  /** The second one: ends now, with the code a shell gives for the signal. */
  abandon(exitCode: number): void;
  reopenLogs(): void;
  /** SIGHUP. */
  reload(): void;
}

const SIGNAL_EXIT_BASE = 128;
/** Ctrl-C reaches the whole process group, and npm passes it on once more: that is one request. */
const ECHO_MS = 500;

/** Installs the handlers; returns what removes them. Thread: main. */
export function installSignals(actions: SignalActions, clock: Clock): () => void {
  let askedMs: number | null = null;
  const end = (signal: "SIGTERM" | "SIGINT") => () => {
    const nowMs = clock.monotonicMs();
    if (askedMs === null) {
      askedMs = nowMs;
      log.warn(`caught ${signal}`);
      actions.quit();
    } else if (nowMs - askedMs > ECHO_MS) {
      actions.abandon(SIGNAL_EXIT_BASE + constants.signals[signal]);
    }
  };
  const handlers = {
    SIGTERM: end("SIGTERM"),
    SIGINT: end("SIGINT"),
    SIGUSR1: () => actions.reopenLogs(),
    SIGHUP: () => actions.reload(),
  } as const;
  const entries = Object.entries(handlers) as [keyof typeof handlers, () => void][];
  for (const [signal, handler] of entries) process.on(signal, handler);
  return () => {
    for (const [signal, handler] of entries) process.off(signal, handler);
  };
}
