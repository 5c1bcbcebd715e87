/** Plays one group of cases in Granary and compares with the recordings. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { GROUPS } from "./cases/index.ts";
import { differenceOfCase } from "./differences.ts";
import { linesOf, readGoldens } from "./golden.ts";
import { GroupPlayer } from "./player.ts";

/** The tests of the group called `name`; each group has a file of its own, so that files stay short. */
export function replayGroup(groupName: string): void {
  const group = GROUPS.find(({ name }) => name === groupName);
  assert.ok(group, groupName);
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
