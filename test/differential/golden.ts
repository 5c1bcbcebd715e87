/** Golden files: what Envoy did in each case of a group, and Granary where it differs on purpose. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { REPOSITORY_ROOT } from "../harness/filter-rig.ts";
import type { Recording } from "./player.ts";

export interface Golden {
  readonly envoy: Recording;
  /** Only of a case that differs on purpose. */
  readonly granary?: Recording;
}
export type Goldens = Readonly<Record<string, Golden>>;

const fileOf = (group: string): string =>
  join(REPOSITORY_ROOT, "test", "differential", "golden", `${group}.json`);

export function readGoldens(group: string): Goldens {
  const file = fileOf(group);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Goldens) : {};
}

/** One line for each case, so that a changed case is one changed line. */
export function writeGoldens(group: string, goldens: Goldens): void {
  const file = fileOf(group);
  mkdirSync(join(file, ".."), { recursive: true });
  const lines = Object.entries(goldens).map(
    ([name, golden]) => `${JSON.stringify(name)}:${JSON.stringify(golden)}`,
  );
  writeFileSync(file, `{\n${lines.join(",\n")}\n}\n`);
}

/** A recording as lines, for people and for comparing. */
export function linesOf(recording: Recording): string[] {
  const messages = (who: string, seen: Recording["client"]): string[] =>
    seen.flatMap(({ head, body, trailers, cut, reset }) => [
      ...head.map((line) => `${who} ${line}`),
      ...(body === undefined ? [] : [`${who} body ${JSON.stringify(body)}`]),
      ...(trailers ?? []).map((line) => `${who} trailer ${line}`),
      ...(cut === true ? [`${who} cut short`] : []),
      ...(reset === undefined ? [] : [`${who} reset ${reset}`]),
    ]);
  return [
    ...messages("client", recording.client),
    `client ${recording.end}`,
    ...messages("upstream", recording.upstream),
    ...(recording.upstreamEnd === undefined ? [] : [`upstream ${recording.upstreamEnd}`]),
    ...recording.log.map((line) => `log ${line}`),
    ...(recording.stopped === undefined ? [] : [`script stopped at ${recording.stopped}`]),
  ];
}

/** The lines that differ, in order: `-` wanted, `+` got, with what they have in common between. */
export function differenceOf(wanted: readonly string[], got: readonly string[]): string[] {
  const common = table(wanted, got);
  const lines: string[] = [];
  let [w, g] = [0, 0];
  while (w < wanted.length || g < got.length) {
    if (w < wanted.length && g < got.length && wanted[w] === got[g]) {
      lines.push(`  ${wanted[w]}`);
      w++;
      g++;
    } else if (g >= got.length || (common[w + 1]?.[g] ?? -1) >= (common[w]?.[g + 1] ?? -1)) {
      if (w < wanted.length) lines.push(`- ${wanted[w]}`);
      else lines.push(`+ ${got[g]}`);
      if (w < wanted.length) w++;
      else g++;
    } else {
      lines.push(`+ ${got[g]}`);
      g++;
    }
  }
  return lines;
}

/** Length of the longest common subsequence from each pair of places on. */
function table(a: readonly string[], b: readonly string[]): number[][] {
  const rows = Array.from({ length: a.length + 1 }, () => Array<number>(b.length + 1).fill(0));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const row = rows[i];
      if (row === undefined) continue;
      row[j] =
        a[i] === b[j]
          ? (rows[i + 1]?.[j + 1] ?? 0) + 1
          : Math.max(rows[i + 1]?.[j] ?? 0, row[j + 1] ?? 0);
    }
  }
  return rows;
}
