/** Calls on shared queues as tests write them. */
import type { Guest, Result } from "./guest.ts";

/** Status and number. */
export const register = (guest: Guest, name: string): readonly [number, number | null] =>
  guest.fetchU32("proxy_register_shared_queue", ...guest.put(name));

export const resolve = (
  guest: Guest,
  vmId: string,
  name: string,
): readonly [number, number | null] =>
  guest.fetchU32("proxy_resolve_shared_queue", ...guest.put(vmId), ...guest.put(name));

export const enqueue = (guest: Guest, queue: number, data: string): number =>
  guest.call("proxy_enqueue_shared_queue", queue, ...guest.put(data));

export const dequeue = (guest: Guest, queue: number): Result =>
  guest.fetch("proxy_dequeue_shared_queue", queue);

/** Numbers of no queue. */
export const NO_QUEUES = [0, 2, 1_000, 100_000, -1] as const;
