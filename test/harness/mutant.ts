/**
 * The compiled code of `src/shm` and `src/metrics` with a fault planted in it, for tests of the tests: a stress test
 * is good for something if it fails on a wrong ordering.
 */
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** `src/shm`, what it needs, and metrics, which are kept there. */
const FOLDERS = ["shm", "base", "metrics"] as const;

/** Where the compiled sources lie: what stress workers import from. */
export const COMPILED: string = new URL("../../src/", import.meta.url).href;

export interface Fault {
  /** Below `src`, such as `shm/ring.js`. */
  readonly file: string;
  /** Text that stands in the compiled file exactly once, and what stands there instead. */
  readonly from: string;
  readonly to: string;
}

export interface Mutant {
  /** In place of {@link COMPILED}. */
  readonly base: string;
  remove(): void;
}

/**
 * Plants `faults` and runs `shows` with them, which says whether they showed; wrong orderings of
 * threads need a little luck, so it may try three times. Fails when they never showed.
 */
export async function mustShow(
  faults: readonly Fault[],
  shows: (base: string) => Promise<boolean>,
): Promise<void> {
  const mutant = plant(faults);
  try {
    for (let left = 3; left > 0; left--) if (await shows(mutant.base)) return;
    assert.fail("the planted fault showed in none of three runs");
  } finally {
    mutant.remove();
  }
}

export function plant(faults: readonly Fault[]): Mutant {
  const directory = mkdtempSync(join(tmpdir(), "granary-mutant-"));
  writeFileSync(join(directory, "package.json"), '{"type": "module"}');
  for (const folder of FOLDERS) {
    cpSync(fileURLToPath(new URL(folder, COMPILED)), join(directory, folder), { recursive: true });
  }
  for (const { file, from, to } of faults) {
    const path = join(directory, file);
    const text = readFileSync(path, "utf8");
    assert.equal(text.split(from).length, 2, `${file} has the text once: ${from}`);
    writeFileSync(
      path,
      text.replace(from, () => to),
    );
  }
  return {
    base: `${pathToFileURL(directory).href}/`,
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
