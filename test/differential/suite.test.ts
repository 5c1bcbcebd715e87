/**
 * The differential suite's own order: every group is recorded and replayed, every difference has its
 * reason. The cases themselves are played by test/differential/replay, against the recordings of a
 * real Envoy; none is needed.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { REPOSITORY_ROOT } from "../harness/filter-rig.ts";
import { GROUPS } from "./cases/index.ts";
import { DIFFERENCES } from "./differences.ts";
import { readGoldens } from "./golden.ts";
import { groupsOf, PARTS } from "./replay.ts";

const allNames = GROUPS.flatMap((group) => group.cases.map(({ name }) => name));

it("case names are unique, and every case has a recording", () => {
  assert.equal(new Set(allNames).size, allNames.length);
  for (const { name, cases } of GROUPS) {
    const recorded = Object.keys(readGoldens(name));
    assert.deepEqual(
      recorded,
      cases.map((testCase) => testCase.name),
      name,
    );
  }
});

it("every group is replayed, once", () => {
  const parts = Object.keys(PARTS) as (keyof typeof PARTS)[];
  const replayed = parts.flatMap((part) => {
    const file = join(REPOSITORY_ROOT, "test/differential/replay", `${part}.test.ts`);
    assert.match(readFileSync(file, "utf8"), new RegExp(`replayPart\\("${part}"\\)`));
    return groupsOf(part);
  });
  assert.deepEqual(new Set(replayed), new Set(GROUPS));
  assert.equal(replayed.length, GROUPS.length);
});

it("docs/host-differences.md gives the reason of every case that differs", () => {
  const page = readFileSync(join(REPOSITORY_ROOT, "docs", "host-differences.md"), "utf8");
  for (const { reason, cases } of DIFFERENCES) {
    assert.ok(page.includes(reason), reason);
    for (const name of cases) {
      assert.ok(allNames.includes(name), `${name} is a case`);
      assert.ok(page.includes(`\`${name}\``), name);
    }
  }
});
