/**
 * Every host function of the Proxy-Wasm ABI as data: what a guest may import from `env`. Link
 * lists,
 * capability stubs, body types and the reference page derive from these rows. A row whose group has
 * no body answers Unimplemented. Sources: ABI 3.1 (signatures), 1.2 (versions).
 */
import type { HostcallSpec } from "./hostcall-types.ts";
import { STREAM_HOSTCALLS } from "./stream-hostcalls.ts";
import { THREAD_HOSTCALLS } from "./thread-hostcalls.ts";

export const HOSTCALLS = {
  ...THREAD_HOSTCALLS,
  ...STREAM_HOSTCALLS,
} as const satisfies Record<`proxy_${string}` | `envoy_${string}`, HostcallSpec>;

export type HostcallName = keyof typeof HOSTCALLS;
export const HOSTCALL_NAMES = Object.keys(HOSTCALLS) as HostcallName[];
