/**
 * `npm run differential [-- words]`: plays the groups whose names contain a word, all without words.
 * `--record` plays them in Envoy and writes the golden files; `--against envoy` or `granary`
 * (without either) compares with them; `--show` prints whole recordings.
 */
import { parseArgs } from "node:util";
import type { CaseGroup, DifferentialCase } from "./case.ts";
import { GROUPS } from "./cases/index.ts";
import { differenceOfCase } from "./differences.ts";
import { differenceOf, type Golden, linesOf, readGoldens, writeGoldens } from "./golden.ts";
import { GroupPlayer, type Recording } from "./player.ts";
import { TARGETS, type Target } from "./process.ts";

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

type Recordings = ReadonlyMap<DifferentialCase, Recording>;

async function playAll(
  group: CaseGroup,
  target: Target,
  cases: readonly DifferentialCase[],
): Promise<Recordings> {
  const recordings = new Map<DifferentialCase, Recording>();
  const left = [...cases];
  while (left.length > 0) {
    const player = await GroupPlayer.start({ ...group, cases: left }, target);
    try {
      while (!player.proxy.hasCrashed) {
        const testCase = left.shift();
        if (testCase === undefined) break;
        recordings.set(testCase, await player.play(testCase));
      }
    } finally {
      await player.stop();
    }
  }
  return recordings;
}

async function record(group: CaseGroup): Promise<void> {
  const envoy = await playAll(group, "envoy", group.cases);
  const differing = group.cases.filter(({ name }) => differenceOfCase(name) !== null);
  const granary = await playAll(group, "granary", differing);
  const goldens: Record<string, Golden> = {};
  for (const [testCase, recording] of envoy) {
    const ours = granary.get(testCase);
    goldens[testCase.name] = {
      envoy: recording,
      ...(ours === undefined ? {} : { granary: ours }),
    };
  }
  writeGoldens(group.name, goldens);
  say(`${group.name}: recorded ${envoy.size} cases`);
}

interface Comparing {
  readonly target: Target;
  readonly only: string | undefined;
  readonly isShown: boolean;
}

async function compare(group: CaseGroup, { target, only, isShown }: Comparing): Promise<number> {
  const goldens = readGoldens(group.name);
  const cases = group.cases.filter(({ name }) => only === undefined || name === only);
  const recordings = await playAll(group, target, cases);
  let count = 0;
  for (const [{ name, shows }, recording] of recordings) {
    const golden = goldens[name];
    const got = linesOf(recording);
    if (isShown) say([`== ${group.name} / ${name}: ${shows}`, ...got].join("\n"));
    const wanted = golden === undefined ? null : (golden[target] ?? golden.envoy);
    const lines = wanted === null ? [] : linesOf(wanted);
    if (wanted !== null && lines.join("\n") === got.join("\n")) continue;
    count++;
    say(`== ${group.name} / ${name}: ${shows}`);
    if (wanted === null) say("no golden recording");
    else say(differenceOf(lines, got).join("\n"));
  }
  say(`${group.name}: ${recordings.size} cases, ${count} differ`);
  return count;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      record: { type: "boolean", default: false },
      against: { type: "string", default: "granary" },
      case: { type: "string" },
      show: { type: "boolean", default: false },
    },
  });
  const target = TARGETS.find((one) => one === values.against);
  if (target === undefined) throw new Error(`--against one of ${TARGETS.join(", ")}`);
  const groups = GROUPS.filter(
    ({ name }) => positionals.length === 0 || positionals.some((word) => name.includes(word)),
  );
  let differences = 0;
  for (const group of groups) {
    if (values.record) await record(group);
    else {
      const comparing = { target, only: values.case, isShown: values.show };
      differences += await compare(group, comparing);
    }
  }
  return differences === 0 ? 0 : 1;
}

process.exitCode = await main();
