/**
 * Log lines of a VM: what the guest says and what the host has to say about it, both prefixed as
 * Envoy does: `wasm log <name> <root_id> <vm_id>: message`.
 */
import { GUEST_LOG_LEVEL } from "../abi/enums.ts";
import type { CurrentCall } from "./current-call.ts";
import type { LogHost } from "./roles.ts";

/** The prefix for a plugin; parts that are empty are left out, as Envoy does. */
export function logPrefix(parts: readonly string[]): string {
  return `${["wasm log", ...parts.filter((part) => part !== "")].join(" ")}: `;
}

export class GuestLog {
  readonly #host: LogHost;
  readonly #call: CurrentCall;
  readonly #vmPrefix: string;
  readonly #saidOnce = new Set<string>();

  constructor(host: LogHost, call: CurrentCall, vmId: string) {
    this.#host = host;
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
    const root = this.#call.root;
    this.#host.log(level, (root === null ? this.#vmPrefix : root.logPrefix) + text);
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
