/**
 * Plays the cases in Granary and compares with the recordings. What costs time is the start of a
 * proxy, so several groups share one; three parts, so that they can run side by side.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { CaseGroup } from "./case.ts";
import { GROUPS } from "./cases/index.ts";
import { differenceOfCase } from "./differences.ts";
import { type Golden, linesOf, readGoldens } from "./golden.ts";
import { GroupPlayer } from "./player.ts";

/** Names of groups by the part, and test file of test/differential/replay, that plays them. */
export const PARTS = {
  messages: ["basics", "replies", "bodies", "headers", "chains"],
  life: ["phases", "returns", "resets", "traps"],
  services: ["resumes", "properties", "declared", "calls", "callouts", "tcp", "http2", "grpc"],
} as const;

export const groupsOf = (part: keyof typeof PARTS): readonly CaseGroup[] =>
  PARTS[part].map((name) => {
    const group = GROUPS.find((one) => one.name === name);
    assert.ok(group, name);
    return group;
  });

/** What Granary is to do, from a case's recordings. */
function wantedOf(name: string, golden: Golden | undefined): string {
  assert.ok(golden, `${name} is recorded`);
  const differs = differenceOfCase(name) !== null;
  // A recording of Granary's own stands only beside a reason, and says something else.
  assert.equal(golden.granary !== undefined, differs);
  const envoy = linesOf(golden.envoy).join("\n");
  const wanted = golden.granary === undefined ? envoy : linesOf(golden.granary).join("\n");
  if (differs) assert.notEqual(wanted, envoy, "it does not differ");
  return wanted;
}

/** The tests of one part. */
export function replayPart(part: keyof typeof PARTS): void {
  const groups = groupsOf(part);
  let player: GroupPlayer;
  before(async () => {
    const cases = groups.flatMap((group) => group.cases);
    player = await GroupPlayer.start({ name: part, cases }, "granary");
  });
  after(() => player.stop());
  for (const group of groups) {
    describe(`as in Envoy: ${group.name}`, () => {
      const goldens = readGoldens(group.name);
      for (const testCase of group.cases) {
        const { name, shows } = testCase;
        const differs = differenceOfCase(name);
        const why = differs === null ? "" : ` (differs: ${differs})`;
        it(`${name}: ${shows}${why}`, { timeout: 30_000 }, async () => {
          const wanted = wantedOf(name, goldens[name]);
          assert.equal(linesOf(await player.play(testCase)).join("\n"), wanted);
        });
      }
    });
  }
}
