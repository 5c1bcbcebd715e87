import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "../../../src/base/limits.ts";
import { HeapStatsReader } from "../../../src/shm/heap-stats.ts";
import { Owners } from "../../../src/shm/owners.ts";
import { SHARED, SharedData } from "../../../src/shm/shared-data.ts";
import { attachSharedData, createSharedDataRegion } from "../../../src/shm/shared-data-layout.ts";
import { SharedNames } from "../../../src/shm/shared-names.ts";
import type { FullPolicy, TableOptions } from "../../../src/shm/shared-table.ts";
import { ManualClock } from "../../harness/manual-clock.ts";
import { prng } from "../../harness/prng.ts";

const MIB = 1_048_576;
const SPACE = 2;

const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");
const text = (value: Uint8Array): string => Buffer.from(value).toString("latin1");

class Fixture {
  readonly clock = new ManualClock();
  readonly options: TableOptions;
  readonly data: SharedData;
  readonly #stats: HeapStatsReader;

  constructor(policy: FullPolicy = "refuse", capBytes = MIB) {
    const region = createSharedDataRegion(capBytes, prng(3));
    const owners = new Owners();
    const clock = this.clock;
    this.options = { region, owners, self: owners.enter(), clock, policy };
    this.data = new SharedData(this.options);
    this.#stats = new HeapStatsReader(region, attachSharedData(region).fields);
  }

  get stats(): ReturnType<HeapStatsReader["read"]> {
    return this.#stats.read();
  }

  set(key: string, value: string, cas = 0): number {
    return this.data.set(SPACE, bytes(key), bytes(value), cas);
  }

  /** The value as text, or the result. */
  get(key: string, space = SPACE): string | number {
    const result = this.data.get(space, bytes(key));
    return result === SHARED.done ? text(this.data.bytes.subarray(0, this.data.length)) : result;
  }

  add(key: string, delta: bigint): bigint | number {
    const result = this.data.add(SPACE, bytes(key), delta);
    return result === SHARED.done ? this.data.bytes.readBigInt64LE() : result;
  }

  list(prefix: string): string[] {
    const max = { count: LIMITS.sharedListCount, bytes: LIMITS.sharedListBytes };
    return this.data.list(SPACE, bytes(prefix), max).map(text).sort();
  }
}

test("what one thread's object stores, another's finds", () => {
  const fixture = new Fixture();
  const other = new SharedData(fixture.options);
  assert.equal(fixture.get("k"), SHARED.absent);
  assert.equal(fixture.set("k", "value"), SHARED.done);
  assert.equal(other.get(SPACE, bytes("k")), SHARED.done);
  assert.equal(text(other.bytes.subarray(0, other.length)), "value");
  assert.equal(other.cas, fixture.data.cas);
});

test("keys and values are any bytes, of any length up to the limits", () => {
  const fixture = new Fixture("refuse", 8 * MIB);
  const random = prng(11);
  const values = new Map<string, string>();
  for (const length of [0, 1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 1_000, 20_000, 65_536]) {
    const key = String.fromCharCode(...Array.from({ length }, () => random() * 256));
    const value = String.fromCharCode(...Array.from({ length: length + 3 }, () => random() * 256));
    values.set(key, value);
    assert.equal(fixture.set(key, value), SHARED.done);
  }
  assert.equal(fixture.set("empty", ""), SHARED.done);
  values.set("empty", "");
  for (const [key, value] of values) assert.equal(fixture.get(key), value);
  assert.equal(fixture.stats.entries, values.size);
});

test("over its limit a key or value is refused", () => {
  const fixture = new Fixture("refuse", 8 * MIB);
  const long = "x".repeat(LIMITS.sharedKeyBytes + 1);
  assert.equal(fixture.set(long, "v"), SHARED.full);
  assert.equal(fixture.add(long, 1n), SHARED.full);
  assert.equal(fixture.set("k", "x".repeat(LIMITS.sharedValueBytes + 1)), SHARED.full);
  assert.equal(fixture.set("k", "x".repeat(LIMITS.sharedValueBytes)), SHARED.done);
});

test("a CAS number must be the present one, unless the key is absent or the number 0", () => {
  const fixture = new Fixture();
  assert.equal(fixture.set("k", "a", 77), SHARED.done);
  const { cas } = fixture.data;
  assert.equal(fixture.set("k", "b", cas + 1), SHARED.casMismatch);
  assert.equal(fixture.get("k"), "a");
  assert.equal(fixture.set("k", "c", cas), SHARED.done);
  assert.notEqual(fixture.data.cas, cas);
  assert.equal(fixture.set("k", "d", cas), SHARED.casMismatch);
  assert.equal(fixture.set("k", "e", 0), SHARED.done);
  assert.equal(fixture.get("k"), "e");
});

test("the counter of CAS numbers belongs to the process and skips 0", () => {
  const fixture = new Fixture();
  const { casCounter } = attachSharedData(fixture.options.region).fields;
  const counter = new Int32Array(fixture.options.region, casCounter.offset, 1);
  fixture.set("a", "1");
  assert.equal(fixture.data.cas, 1);
  fixture.set("b", "1");
  assert.equal(fixture.data.cas, 2);
  counter[0] = -2;
  fixture.set("a", "2");
  assert.equal(fixture.data.cas, 0xffffffff);
  fixture.set("a", "3", 0xffffffff);
  assert.equal(fixture.data.cas, 1);
});

test("namespaces do not meet", () => {
  const fixture = new Fixture();
  const names = new SharedNames(fixture.options, "spaces");
  const [one, two] = [names.numberOf(bytes("vm-1")), names.numberOf(bytes(""))];
  assert.ok(one >= SPACE && two >= SPACE && one !== two);
  assert.equal(new SharedNames(fixture.options, "spaces").numberOf(bytes("vm-1")), one);
  fixture.data.set(one, bytes("k"), bytes("first"), 0);
  assert.equal(fixture.get("k", two), SHARED.absent);
  assert.equal(fixture.get("k", one), "first");
  assert.equal(names.find(bytes("vm-2")), 0);
  assert.equal(new SharedNames(fixture.options, "queues").find(bytes("vm-1")), 0);
});

test("numbers of names end at their maximum", () => {
  const fixture = new Fixture();
  const names = new SharedNames(fixture.options, "queues", 3);
  assert.deepEqual(
    ["a", "b", "c", "a"].map((name) => names.numberOf(bytes(name))),
    [2, 3, 0, 2],
  );
});

test("a removed key is absent and its memory free", () => {
  const fixture = new Fixture();
  fixture.set("k", "x".repeat(50_000));
  assert.ok(fixture.stats.bytesClaimed >= 50_000);
  assert.equal(fixture.data.remove(SPACE, bytes("k")), SHARED.done);
  assert.equal(fixture.data.remove(SPACE, bytes("k")), SHARED.absent);
  assert.equal(fixture.get("k"), SHARED.absent);
  assert.deepEqual([fixture.stats.bytesClaimed, fixture.stats.entries], [0, 0]);
});

test("an expiry takes the key away, survives new values and can be taken back", () => {
  const fixture = new Fixture();
  const expire = (key: string, ms: number): number => fixture.data.expire(SPACE, bytes(key), ms);
  assert.equal(expire("k", 100), SHARED.absent);
  for (const key of ["k", "kept", "updated"]) fixture.set(key, "v");
  for (const key of ["k", "kept", "updated"]) assert.equal(expire(key, 100), SHARED.done);
  fixture.set("updated", "w");
  assert.equal(expire("kept", 0), SHARED.done);
  fixture.clock.advance(99);
  assert.deepEqual(fixture.list(""), ["k", "kept", "updated"]);
  fixture.clock.advance(1);
  assert.deepEqual(fixture.list(""), ["kept"]);
  assert.equal(fixture.get("k"), SHARED.absent);
  assert.equal(fixture.get("updated"), SHARED.absent);
  assert.equal(fixture.get("kept"), "v");
  assert.equal(fixture.stats.expired, 2);
  assert.equal(fixture.stats.entries, 1);
});

test("a CAS number over an expired key stores, as over an absent one", () => {
  const fixture = new Fixture();
  fixture.set("k", "v");
  fixture.data.expire(SPACE, bytes("k"), 10);
  fixture.clock.advance(10);
  assert.equal(fixture.set("k", "w", 12_345), SHARED.done);
  fixture.clock.advance(1_000);
  assert.equal(fixture.get("k"), "w", "the expiry went with the old value");
});

test("expired entries that nobody asks for make room for new ones", () => {
  const fixture = new Fixture("refuse", 8 * MIB);
  const fill = (prefix: string): number => {
    let count = 0;
    while (fixture.set(`${prefix}${count}`, "x".repeat(3_000)) === SHARED.done) {
      fixture.data.expire(SPACE, bytes(`${prefix}${count}`), 1_000);
      count++;
    }
    return count;
  };
  const first = fill("a");
  assert.ok(first > 1_500);
  fixture.clock.advance(1_000);
  assert.ok(fill("b") > first * 0.75);
});

test("keys are listed by prefix, within limits", () => {
  const fixture = new Fixture();
  for (const key of ["user:1", "user:2", "user", "use", "other", ""]) fixture.set(key, "v");
  fixture.data.set(SPACE + 1, bytes("user:9"), bytes("v"), 0);
  assert.deepEqual(fixture.list("user"), ["user", "user:1", "user:2"]);
  assert.deepEqual(fixture.list("user:"), ["user:1", "user:2"]);
  assert.equal(fixture.list("").length, 6);
  assert.deepEqual(fixture.list("none"), []);
  const few = (max: { count: number; bytes: number }): number =>
    fixture.data.list(SPACE, bytes("user"), max).length;
  assert.equal(few({ count: 2, bytes: 1_000 }), 2);
  assert.ok(few({ count: 10, bytes: 11 }) < 3);
});

test("adding counts from 0 in 64 bits, changes the CAS number, and wants 8 bytes", () => {
  const fixture = new Fixture();
  assert.equal(fixture.add("n", 5n), 5n);
  const { cas } = fixture.data;
  assert.equal(fixture.add("n", -7n), -2n);
  assert.notEqual(fixture.data.cas, cas);
  assert.equal(fixture.set("n", "12345678", cas), SHARED.casMismatch);
  assert.equal(fixture.add("n", 2n ** 62n + 2n), 2n ** 62n);
  assert.equal(fixture.add("n", 2n ** 62n), -(2n ** 63n), "it wraps");
  fixture.set("t", "text");
  assert.equal(fixture.add("t", 1n), SHARED.wrongKind);
  assert.equal(fixture.get("t"), "text");
});

test("without room a set is refused and counted, and what is there stays", () => {
  const fixture = new Fixture();
  let count = 0;
  while (fixture.set(`k${count}`, "x".repeat(2_000)) === SHARED.done) count++;
  assert.ok(count * 2_000 > 0.7 * MIB);
  assert.equal(fixture.stats.refused, 1);
  for (let i = 0; i < count; i++) assert.equal(fixture.get(`k${i}`), "x".repeat(2_000));
  fixture.data.remove(SPACE, bytes("k0"));
  assert.equal(fixture.set("k0", "y".repeat(2_000)), SHARED.done);
});

test("with the lru policy what is not read goes, what is read stays, names stay for ever", () => {
  const fixture = new Fixture("lru", 8 * MIB);
  const names = new SharedNames(fixture.options, "spaces");
  const own = names.numberOf(bytes("vm"));
  const wanted = Array.from({ length: 40 }, (_, i) => `wanted${i}`);
  for (const key of wanted) fixture.set(key, "w");
  for (let i = 0; i < 6_000; i++) {
    assert.equal(fixture.set(`k${i}`, "x".repeat(3_000)), SHARED.done);
    if (i % 50 === 0) for (const key of wanted) assert.equal(fixture.get(key), "w", key);
  }
  assert.ok(fixture.stats.evicted > 1_000);
  assert.equal(fixture.stats.refused, 0);
  assert.equal(fixture.get("k0"), SHARED.absent);
  assert.equal(fixture.get("k5999"), "x".repeat(3_000));
  assert.equal(new SharedNames(fixture.options, "spaces").numberOf(bytes("vm")), own);
});

test("a model under random operations: the table says what a Map says", () => {
  const fixture = new Fixture("refuse", 16 * MIB);
  const random = prng(2_026);
  const model = new Map<string, { value: string; cas: number }>();
  const pick = (count: number): number => Math.floor(random() * count);
  for (let step = 0; step < 40_000; step++) {
    const key = `key-${pick(500)}`;
    const known = model.get(key);
    const choice = random();
    if (choice < 0.5) {
      assert.equal(fixture.get(key), known?.value ?? SHARED.absent);
      if (known !== undefined) assert.equal(fixture.data.cas, known.cas);
    } else if (choice < 0.9) {
      const value = "v".repeat(pick(300)) + step;
      const cas = random() < 0.5 ? 0 : (known?.cas ?? 1) + (random() < 0.3 ? 1 : 0);
      const fits = cas === 0 || known === undefined || known.cas === cas;
      assert.equal(fixture.set(key, value, cas), fits ? SHARED.done : SHARED.casMismatch);
      if (fits) model.set(key, { value, cas: fixture.data.cas });
    } else {
      const result = fixture.data.remove(SPACE, bytes(key));
      assert.equal(result, model.delete(key) ? SHARED.done : SHARED.absent);
    }
  }
  assert.deepEqual(fixture.list(""), [...model.keys()].sort());
  assert.equal(fixture.stats.entries, model.size);
});
