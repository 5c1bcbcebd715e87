/** Access-log lines from the rings of silos to files, by the real thread. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { LogWriter } from "../../../src/main/log-writer.ts";
import type { Counter } from "../../../src/metrics/types.ts";
import { RING_BYTES } from "../../../src/shm/ring-layout.ts";
import { LogRing } from "../../../src/silo/log-ring.ts";
import type { LineSink } from "../../../src/silo/log-sinks.ts";
import { turnsUntil } from "./fixtures/sockets.ts";

const limits = { timeout: 30_000 };
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "granary-log-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

class CountingCounter implements Counter {
  count = 0;
  inc(): void {
    this.count++;
  }
  add(amount: number): void {
    this.count += amount;
  }
  value(): number {
    return this.count;
  }
}

class Rig {
  readonly dropped = new CountingCounter();
  readonly writer: LogWriter;
  readonly path = join(directory, "access.log");
  readonly #rings = new Map<number, LogRing>();

  constructor(policy: "drop" | "block" = "drop") {
    this.writer = new LogWriter(2, policy);
  }

  sink(silo: number, path = this.path): LineSink {
    // A ring has one producer.
    const ring = this.#rings.get(silo) ?? new LogRing(this.writer.boot(silo), this.dropped);
    this.#rings.set(silo, ring);
    return ring.sink(`file:${path}`);
  }

  text(path = this.path): string {
    return existsSync(path) ? readFileSync(path, "latin1") : "";
  }
}

test("lines of all silos are in their files when the writer has stopped", limits, async () => {
  const rig = new Rig();
  const other = join(directory, "other.log");
  const sinks = [rig.sink(0), rig.sink(1), rig.sink(1, other)] as const;
  for (let i = 0; i < 2_000; i++)
    for (const [s, sink] of sinks.entries()) sink.write(`${s} ${i}\n`);
  sinks[0].write("caf\xe9 \0\xff\n");
  await rig.writer.stop();
  const lines = rig.text().split("\n");
  assert.equal(lines.length, 4_002);
  const own = lines.filter((line) => line.startsWith("1 "));
  assert.deepEqual(
    own,
    own.map((_, i) => `1 ${i}`),
  );
  assert.ok(lines.includes("caf\xe9 \0\xff"));
  assert.equal(rig.text(other).split("\n").length, 2_001);
  assert.equal(rig.dropped.count, 0);
});

test(
  "the thread writes without being told to, and goes on in a new file after a rotation",
  limits,
  async () => {
    const rig = new Rig();
    const sink = rig.sink(0);
    sink.write("x".repeat(65_536));
    await turnsUntil(() => rig.text().length === 65_536);
    const rotated = join(directory, "rotated.log");
    sink.write("before\n");
    renameSync(rig.path, rotated);
    rig.writer.reopen();
    await turnsUntil(() => existsSync(rig.path));
    sink.write("after\n");
    await rig.writer.stop();
    assert.ok(rig.text(rotated).endsWith("xbefore\n"));
    assert.equal(rig.text(), "after\n");
  },
);

test("a sink that is retired takes late lines still", limits, async () => {
  const rig = new Rig();
  const sink = rig.sink(0);
  sink.write("early\n");
  sink.retire();
  sink.write("late\n");
  await rig.writer.stop();
  assert.equal(rig.text(), "early\nlate\n");
});

test("a file that cannot be opened loses its lines, the others get theirs", limits, async () => {
  const rig = new Rig();
  rig.sink(0, join(directory, "no", "such.log")).write("lost\n");
  rig.sink(0).write("kept\n");
  await rig.writer.stop();
  assert.equal(rig.text(), "kept\n");
});

test("a full ring drops lines and counts them; what is in it is written", limits, async () => {
  const rig = new Rig();
  const sink = rig.sink(0);
  const line = `${"x".repeat(9_999)}\n`;
  // This thread does not let the writer start before it is done.
  const count = Math.ceil((2 * RING_BYTES) / line.length);
  for (let i = 0; i < count; i++) sink.write(line);
  assert.ok(rig.dropped.count > count / 3);
  await rig.writer.stop();
  assert.equal(rig.text().length, (count - rig.dropped.count) * line.length);
});

test("by the other policy a silo waits for room and no line is lost", limits, async () => {
  const rig = new Rig("block");
  const sink = rig.sink(0);
  sink.write("first\n");
  sink.write("x".repeat(65_536));
  await turnsUntil(() => rig.text().length > 65_536);
  const line = `${"x".repeat(9_999)}\n`;
  const count = Math.ceil((4 * RING_BYTES) / line.length);
  for (let i = 0; i < count; i++) sink.write(line);
  await rig.writer.stop();
  assert.equal(rig.dropped.count, 0);
  assert.equal(rig.text().length, 6 + 65_536 + count * line.length);
});
