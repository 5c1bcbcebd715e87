/** Chunks of one silo that four other threads hold and release, in any order. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BELL_STRIDE } from "../../../src/shm/bells.ts";
import { createBodySlab } from "../../../src/shm/body-slab-layout.ts";
import { createRing } from "../../../src/shm/ring-layout.ts";
import { COMPILED, type Fault, mustShow } from "../../harness/mutant.ts";
import { StressThread } from "../../harness/threads.ts";

const THREAD = new URL("./fixtures/body-slab-thread.js", import.meta.url);
const HOLDERS = 4;
const limits = { timeout: 120_000 };

interface Report {
  readonly given: number;
  readonly leasedCount: number;
  readonly heapLeaseCount: number;
}

interface Run {
  readonly failures: readonly string[];
  /** Of the owner; null = it ended without one. */
  readonly report: Report | null;
}

async function run(base: string, streams: number): Promise<Run> {
  const common = {
    base,
    region: createBodySlab(128 * 65_536),
    rings: Array.from({ length: HOLDERS }, createRing),
    bells: new Int32Array(new SharedArrayBuffer(4 * BELL_STRIDE * HOLDERS)),
    progress: new Int32Array(new SharedArrayBuffer(4)),
    streams,
  };
  const start = (mode: string, index: number): StressThread =>
    new StressThread(THREAD, { ...common, mode, index, seed: 40 + index });
  const holders = common.rings.map((_, index) => start("hold", index));
  const owner = start("own", HOLDERS);
  const ownEnd = await owner.ended;
  // Holders that failed leave others that wait for a last record.
  if (ownEnd.failure !== null) {
    await Promise.all(holders.map(({ worker }) => worker.terminate()));
  }
  const ends = await Promise.all(holders.map(({ ended }) => ended));
  const failures = [ownEnd, ...ends].flatMap(({ failure }) => failure ?? []);
  return { failures, report: ownEnd.report as Report | null };
}

test(
  "after a million streams, with chunks held by four threads, none is lost or written over",
  limits,
  async () => {
    const { failures, report } = await run(COMPILED, 1_000_000);
    assert.deepEqual(failures, []);
    assert.ok(report !== null && report.given > 50_000, `${report?.given} were given`);
    assert.equal(report.leasedCount, 1, "the shared window alone");
  },
);

/** Counts by a load and a store, some time apart, as a thread that is interrupted there does. */
function countApart(at: string, change: number): string {
  return `(() => {
    const before = this.#holds[${at}];
    for (let i = 0; i < 300; i++) Atomics.load(this.#holds, 0);
    this.#holds[${at}] = before + ${change};
    return before;
  })()`;
}

/** Wrong orderings and counts; the test above must notice each. */
const FAULTS: readonly (Fault & { readonly why: string })[] = [
  {
    why: "the owner does not look whether others hold a chunk",
    file: "shm/body-slab.js",
    from: "Atomics.load(this.#holds, this.#at) > 0",
    to: "false",
  },
  {
    why: "holders count without Atomics",
    file: "shm/chunk-holder.js",
    from: "Atomics.sub(this.#holds, this.#slotOf(offset), 1)",
    to: countApart("this.#slotOf(offset)", -1),
  },
  {
    why: "the owner counts without Atomics",
    file: "shm/body-slab.js",
    from: "Atomics.add(this.#holds, this.#at, 1)",
    to: countApart("this.#at", 1),
  },
];

for (const { why, ...fault } of FAULTS) {
  test(`that test fails when ${why}`, limits, async () => {
    await mustShow([fault], async (base) => {
      const { failures, report } = await run(base, 300_000);
      return failures.length > 0 || report?.leasedCount !== 1;
    });
  });
}
