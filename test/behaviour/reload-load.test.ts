/**
 * Updates of every kind under load: not one answer fails or mixes configurations. The long version
 * with a thousand updates is `bench/updates.ts`.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { loadUws } from "../../src/silo/downstream/uws-library.ts";
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
  assert.deepEqual(report.vms, [1, 1], "those of old versions are freed");
  // Heaps take some 100 MiB to their size; what each update kept would soon be more than that.
  const [first = 0] = report.residentBytes;
  const grownMib = ((report.residentBytes.at(-1) ?? 0) - first) / 1_048_576;
  assert.ok(grownMib < 300, `${grownMib.toFixed(0)} MiB more after 60 updates`);
  assert.equal(report.exitCode, 0);
});

const uws = await loadUws();

test("the same on uWebSockets.js", {
  skip: uws.kind === "absent" ? uws.reason : false,
}, async () => {
  const report = await runUpdateLoad({
    connections: 100,
    updates: 24,
    concurrency: 2,
    answersMin: 500,
    args: ["--transport", "uws"],
  });
  assert.deepEqual(report.failures, []);
  assert.equal(report.updateMs.length, 24);
  assert.deepEqual(report.vms, [1, 1]);
  assert.equal(report.exitCode, 0);
});
