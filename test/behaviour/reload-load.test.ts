/**
 * Updates of every kind under load: not one answer fails or mixes configurations. The long version
 * with a thousand updates is `bench/updates.ts`.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runUpdateLoad } from "../harness/update-load.ts";

test("200 connections lose nothing in 60 updates of code, configuration, routes, clusters", async () => {
  const report = await runUpdateLoad({
    connections: 200,
    updates: 60,
    concurrency: 2,
    answersMin: 1_000,
  });
  assert.deepEqual(report.failures, []);
  assert.equal(report.updateMs.length, 60);
  assert.ok(report.answers >= 1_000, `${report.answers} answers`);
  assert.equal(report.exitCode, 0);
});
