/**
 * Log lines of a VM: what the guest says and what the host has to say about it, both prefixed as
 * Envoy does: `wasm log <name> <root_id> <vm_id>: message`.
 */
import { GUEST_LOG_LEVEL } from "../abi/enums.ts";
import { LIMITS } from "../base/limits.ts";
import type { CurrentCall } from "./current-call.ts";
import type { LogHost, ThreadRoles } from "./roles.ts";

/** What the log needs of the thread. */
type LogRoles = Pick<ThreadRoles, "log" | "timers" | "vmEvents">;

/** The prefix for a plugin; parts that are empty are left out, as Envoy does. */
export function logPrefix(parts: readonly string[]): string {
  return `${["wasm log", ...parts.filter((part) => part !== "")].join(" ")}: `;
}

const SECOND_NS = 1_000_000_000n;

export class GuestLog {
  readonly #host: LogHost;
  readonly #roles: LogRoles;
  readonly #call: CurrentCall;
  readonly #vmPrefix: string;
  readonly #saidOnce = new Set<string>();
  /** Lines since the second began that `#secondNs` is the start of, and those dropped in it. */
  #count = 0;
  #dropped = 0;
  #secondNs = 0n;

  constructor(roles: LogRoles, call: CurrentCall, vmId: string) {
    this.#host = roles.log;
    this.#roles = roles;
    this.#call = call;
    this.#vmPrefix = logPrefix([vmId]);
  }

  /** Whether a line of `level` (0..5) would be written. */
  enabled(level: number): boolean {
    return level >= this.#host.level();
  }

  /** The threshold as guests may know it: 0..5. */
  level(): number {
    return Math.min(this.#host.level(), GUEST_LOG_LEVEL.critical);
  }

  /** Writes a line under the name of the plugin whose context is current. */
  line(level: number, text: string): void {
    if (!this.#isWithinRate()) return;
    this.#write(level, text);
  }

  #write(level: number, text: string): void {
    const root = this.#call.root;
    this.#host.log(level, (root === null ? this.#vmPrefix : root.logPrefix) + text);
  }

  /** Whether one more line may be written in this second. A flood must not take the thread. */
  #isWithinRate(): boolean {
    if (this.#count < LIMITS.guestLogLinesPerSecond) {
      if (this.#count === 0) this.#secondNs = this.#roles.timers.monotonicNs();
      this.#count++;
      return true;
    }
    const nowNs = this.#roles.timers.monotonicNs();
    if (nowNs - this.#secondNs < SECOND_NS) {
      this.#dropped++;
      this.#roles.vmEvents.lineDropped(this.#call.root?.config.name ?? "");
      return false;
    }
    this.#secondNs = nowNs;
    this.#count = 1;
    const dropped = this.#dropped;
    this.#dropped = 0;
    if (dropped > 0)
      this.#write(GUEST_LOG_LEVEL.warn, `${dropped} lines of the guest were dropped`);
    return true;
  }

  /** A line of the host about what the guest did. */
  warn(text: string): void {
    if (this.enabled(GUEST_LOG_LEVEL.warn)) this.line(GUEST_LOG_LEVEL.warn, text);
  }

  /** As {@link warn} at level error, but each text once in the life of the VM. */
  errorOnce(text: string): void {
    if (this.#saidOnce.has(text)) return;
    this.#saidOnce.add(text);
    this.line(GUEST_LOG_LEVEL.error, text);
  }
}
