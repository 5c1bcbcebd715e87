/** What the tests of metric hostcalls share. */
import assert from "node:assert/strict";
import type { Guest } from "./guest.ts";

/** An id that no VM has defined. */
export const UNKNOWN_METRIC = 4_000;

/** Defines a metric and returns its id. kind: 0 counter, 1 gauge, 2 histogram. */
export function defined(guest: Guest, kind: number): number {
  const [status, id] = guest.fetchU32("proxy_define_metric", kind, ...guest.put("m"));
  assert.equal(status, 0);
  return id ?? 0;
}

/** What the host has for the one metric of a test. */
export function hostValue(guest: Guest): bigint {
  return guest.thread.metrics.read(0);
}
