/**
 * The thread's roles for its VMs that need no stream: timers, clocks and the guests' log lines.
 */
import type { Clock } from "../base/clock.ts";
import { LOG_LEVELS, Logger, logLevelOf } from "../base/log.ts";
import type { LogHost, TimerHost } from "../vm/roles.ts";

const log = new Logger("wasm");

/** Guest levels 0..5 are the first six of LOG_LEVELS, 6 is off (ABI 4.2). */
export const wasmLog: LogHost = {
  log: (level, message) => log.log(LOG_LEVELS[level] ?? "critical", message),
  level: () => LOG_LEVELS.indexOf(logLevelOf("wasm")),
};

export function systemTimers(clock: Clock): TimerHost {
  return {
    after: (delayMs, run) => {
      const timer = clock.after(delayMs, run);
      return () => timer.cancel();
    },
    wallNs: () => clock.wallNs(),
    monotonicNs: () => clock.monotonicNs(),
  };
}
