/**
 * The differential suite against its oracle: every case is played in Granary and must look as it did
 * in a real Envoy, whose recordings are the golden files. Needs no Envoy.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { REPOSITORY_ROOT } from "../harness/filter-rig.ts";
import { GROUPS } from "./cases/index.ts";
import { DIFFERENCES, differenceOfCase } from "./differences.ts";
import { linesOf, readGoldens } from "./golden.ts";
import { GroupPlayer } from "./player.ts";

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

for (const group of GROUPS) {
  describe(`as in Envoy: ${group.name}`, () => {
    const goldens = readGoldens(group.name);
    let player: GroupPlayer;
    before(async () => {
      player = await GroupPlayer.start(group, "granary");
    });
    after(() => player.stop());

    for (const testCase of group.cases) {
      const { name, shows } = testCase;
      const differs = differenceOfCase(name);
      const why = differs === null ? "" : ` (differs: ${differs})`;
      it(`${name}: ${shows}${why}`, { timeout: 30_000 }, async () => {
        const golden = goldens[name];
        assert.ok(golden, `${name} is recorded`);
        // A recording of Granary's own stands only beside a reason, and says something else.
        assert.equal(golden.granary !== undefined, differs !== null);
        const envoy = linesOf(golden.envoy).join("\n");
        const wanted = golden.granary === undefined ? envoy : linesOf(golden.granary).join("\n");
        if (differs !== null) assert.notEqual(wanted, envoy, "it does not differ");
        assert.equal(linesOf(await player.play(testCase)).join("\n"), wanted);
      });
    }
  });
}
