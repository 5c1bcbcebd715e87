/**
 * What shared memory costs: counters, chunks, shared data, rings and wake-ups.
 *
 * 2026-11-25 (shared data: 2026-11-29), 2 vCPU with much other load, Node 20.20.2, best batch of 400
 * (a batch is shorter than a time slice), two runs; four threads: mean of their medians, two cores:
 * | what                                  | result                      |
 * |---------------------------------------|-----------------------------|
 * | counter add, histogram record         | 4 ns, 15 to 24 ns           |
 * | chunk leased and viewed; held too     | 20 - 22, 91 - 104 ns        |
 * | tapped body of 100 bytes, of 64 KiB   | 288 - 326, 152 - 164 ns     |
 * | shared data, get same, spread         | 132, 162 ns                 |
 * | shared data, set same, spread         | 269, 291 ns                 |
 * | shared data, add                      | 154 ns                      |
 * | four threads: get same, spread        | 152, 182 ns                 |
 * | four threads: set same, spread        | 287, 571 ns                 |
 * | a key of 14 bytes with 16 of value    | 64 bytes                    |
 * | ring, 64 B, 1 KiB, 16 KiB             | 2.6, 0.4 - 0.5, 0.04 M/s    |
 * | wake-up of a sleeping thread          | p50 60 us, p99 3 to 16 ms   |
 *
 * Conclusions: of a get a third is the keyed hash and a fifth the lock. `byteLength` of a typed array
 * is a call of 8 ns in this Node (not in Node 24), `length` is not: it had cost a set 90 ns. A set allocates, writes and
 * frees a block, which is what makes it safe when its thread dies. A producer and a consumer on two
 * busy cores take turns, so the ring's figures are those of the machine.
 */
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { systemClock } from "../../src/base/clock.ts";
import { SiloRecorder } from "../../src/metrics/recorder.ts";
import { createBell } from "../../src/shm/bell-layout.ts";
import { BELL_STRIDE, Bells } from "../../src/shm/bells.ts";
import { BodySlab } from "../../src/shm/body-slab.ts";
import { createBodySlab } from "../../src/shm/body-slab-layout.ts";
import { ChunkHolder } from "../../src/shm/chunk-holder.ts";
import { HeapStatsReader } from "../../src/shm/heap-stats.ts";
import { createMetricRegion } from "../../src/shm/metric-layout.ts";
import { MetricWriter, SLOTS_OF_KIND } from "../../src/shm/metric-writer.ts";
import { Owners } from "../../src/shm/owners.ts";
import { RingConsumer, RingProducer } from "../../src/shm/ring.ts";
import { createRing } from "../../src/shm/ring-layout.ts";
import { attachSharedData } from "../../src/shm/shared-data-layout.ts";
import { createSharedRegions, type SharedSeat, SharedState } from "../../src/shm/shared-state.ts";
import { BodyBuffer } from "../../src/silo/body-buffer.ts";
import { TapBody } from "../../src/silo/tap/tap-body.ts";
import { TapRing } from "../../src/silo/tap/tap-ring.ts";

const MIB = 1_048_576;
const SPACE = 2;
const KEYS = 10_000;
/** A batch is shorter than a time slice: the best one was not interrupted. */
const BATCH = 2_000;
const BATCHES = 400;
const THREADS = 4;
const RING_RECORDS = 2_000_000;

interface Job {
  readonly kind: "data" | "ring" | "bell";
  readonly seat: SharedSeat | null;
  readonly ring: SharedArrayBuffer;
  readonly bells: SharedArrayBuffer;
  readonly name: string;
  readonly size: number;
}

const keys = Array.from({ length: KEYS }, (_, i) => Buffer.from(`user:10.1.${i >> 8}.${i & 255}`));
const value = Buffer.alloc(16, 1);

/** One operation of a name such as "get spread". */
function operation(state: SharedState, name: string): (i: number) => unknown {
  const { data } = state;
  const one = keys[0] as Buffer;
  switch (name) {
    case "get same":
      return () => data.get(SPACE, one);
    case "get spread":
      return (i) => data.get(SPACE, keys[i % KEYS] as Buffer);
    case "set same":
      return () => data.set(SPACE, one, value, 0);
    default:
      return (i) => data.set(SPACE, keys[i % KEYS] as Buffer, value, 0);
  }
}

const NAMES = ["get same", "get spread", "set same", "set spread"] as const;

/** Nanoseconds a call: of the best batch and of the median one. */
function batches(run: (i: number) => unknown): readonly [best: number, median: number] {
  for (let i = 0; i < 60_000; i++) run(i);
  const times: number[] = [];
  for (let batch = 0; batch < BATCHES; batch++) {
    const start = process.hrtime.bigint();
    for (let i = 0; i < BATCH; i++) run(i + batch * 7);
    times.push(Number(process.hrtime.bigint() - start) / BATCH);
  }
  times.sort((a, b) => a - b);
  return [times[0] ?? 0, times[BATCHES >> 1] ?? 0];
}

function measure(name: string, run: (i: number) => unknown): void {
  const [best, median] = batches(run);
  print(name, `best ${best.toFixed(0)}, median ${median.toFixed(0)} ns`);
}

function print(name: string, text: string): void {
  process.stdout.write(`${name.padEnd(44)} ${text}\n`);
}

function counters(): void {
  const root = new SiloRecorder(new MetricWriter(createMetricRegion()));
  const counter = root.counter("c");
  const histogram = root.histogram("h");
  measure("counter add", () => counter.inc());
  measure("histogram record", (i) => histogram.record(i & 1023));
  print("memory per counter, per histogram", `8 and ${8 * SLOTS_OF_KIND.histogram} bytes of slots`);
}

function bodySlab(): void {
  const slab = new BodySlab(createBodySlab(4 * MIB));
  measure("chunk leased, viewed, given back", () => {
    const lease = slab.lease();
    const view = lease.view(0, 100);
    lease.release();
    view.release();
  });
  const holder = new ChunkHolder(slab.region);
  measure("the same, held for and released by another", () => {
    const lease = slab.lease();
    const view = lease.view(0, 100);
    view.hold();
    lease.release();
    view.release();
    holder.release(view.offset);
  });
}

/** What a tap does with a body that comes in one read; nobody writes it. */
function taps(): void {
  const slab = new BodySlab(createBodySlab(4 * MIB));
  const ring = new TapRing({ ring: createRing(), bell: createBell() }, slab);
  const data = new BodyBuffer();
  for (const length of [100, 65_536]) {
    measure(`tapped body of ${length} bytes kept, let go`, () => {
      const lease = slab.lease();
      const chunk = lease.view(0, length);
      lease.release();
      data.append(chunk);
      chunk.release();
      const body = new TapBody(ring, 65_536);
      body.add(data);
      data.clear();
      body.release();
    });
  }
}

function sharedData(state: SharedState): void {
  for (const key of keys) state.data.set(SPACE, key, value, 0);
  for (const name of NAMES) {
    const run = operation(state, name);
    measure(`shared data, ${name}, 1 thread`, run);
  }
  const counter = Buffer.from("counter");
  measure("shared data, add", () => state.data.add(SPACE, counter, 1n));
}

async function threads(
  job: Omit<Job, "seat">,
  seats: readonly (SharedSeat | null)[],
): Promise<number[]> {
  return Promise.all(
    seats.map((seat) => {
      const workerData: Job = { ...job, seat };
      const worker = new Worker(new URL(import.meta.url), { workerData });
      return new Promise<number>((resolve, reject) => {
        worker.once("message", resolve);
        worker.once("error", reject);
      });
    }),
  );
}

/** Sends records of `size` bytes to a thread; records a second. */
async function ringThroughput(size: number, bells: SharedArrayBuffer): Promise<void> {
  const ring = createRing();
  const done = threads({ kind: "ring", ring, bells, name: "", size }, [null]);
  const producer = new RingProducer(ring, new Bells(new Int32Array(bells)), 0);
  const record = Buffer.alloc(size, 1);
  // The first record starts the consumer's clock.
  for (let i = 0; i <= RING_RECORDS / Math.max(1, size / 256); i++) {
    while (!producer.writeOrWait(record, size, 100));
  }
  const [perSecond = 0] = await done;
  const mib = ((perSecond * size) / MIB).toFixed(0);
  print(`ring, ${size} byte records`, `${(perSecond / 1e6).toFixed(2)} M records/s, ${mib} MiB/s`);
}

async function wakeUps(bells: SharedArrayBuffer): Promise<void> {
  const words = new Int32Array(bells);
  const done = threads({ kind: "bell", ring: createRing(), bells, name: "", size: 0 }, [null]);
  while (Atomics.load(words, BELL_STRIDE) === 0) await new Promise((next) => setTimeout(next, 5));
  const bell = new Bells(words);
  const times: number[] = [];
  for (let i = 0; i < 500; i++) {
    await new Promise((next) => setTimeout(next, 1));
    Atomics.store(words, BELL_STRIDE, 2);
    const start = process.hrtime.bigint();
    bell.ring(0);
    while (Atomics.load(words, BELL_STRIDE) === 2);
    times.push(Number(process.hrtime.bigint() - start) / 1000);
  }
  Atomics.store(words, BELL_STRIDE, 9);
  bell.ring(0);
  await done;
  times.sort((a, b) => a - b);
  const [p10, p50, p99] = [0.1, 0.5, 0.99].map((p) => (times[Math.floor(500 * p)] ?? 0).toFixed(0));
  print("wake-up of a sleeping thread", `p10 ${p10}, p50 ${p50}, p99 ${p99} us`);
}

async function main(): Promise<void> {
  const regions = createSharedRegions({
    dataBytes: 64 * MIB,
    queueBytes: MIB,
    policy: "refuse",
    random: Math.random,
  });
  const owners = new Owners(regions.owners);
  const seat = (): SharedSeat => ({ ...regions, self: owners.enter(), seat: 0 });
  const bells = new SharedArrayBuffer(8 * BELL_STRIDE);
  counters();
  bodySlab();
  taps();
  sharedData(new SharedState(seat(), systemClock));
  for (const name of NAMES) {
    const job = { kind: "data", ring: regions.data, bells, name, size: 0 } as const;
    const ns = await threads(job, Array.from({ length: THREADS }, seat));
    const mean = ns.reduce((sum, each) => sum + each, 0) / THREADS;
    print(
      `shared data, ${name}, ${THREADS} threads at once`,
      `${mean.toFixed(0)} ns, median, mean of the threads`,
    );
  }
  const stats = new HeapStatsReader(regions.data, attachSharedData(regions.data).fields).read();
  const perKey = (stats.bytesUsed / stats.entries).toFixed(0);
  print("memory per key (14 bytes, value of 16)", `${perKey} bytes in blocks`);
  for (const size of [64, 1_024, 16_384]) await ringThroughput(size, bells);
  await wakeUps(bells);
}

/** In a worker: the job's operation many times; nanoseconds of each in the median batch. */
function work(job: Job): number {
  return batches(operation(new SharedState(job.seat as SharedSeat, systemClock), job.name))[1];
}

/** In a worker: reads all records; how many a second, from the first on. */
function consume(job: Job): void {
  const consumer = new RingConsumer(job.ring);
  const bells = new Bells(new Int32Array(job.bells));
  const total = Math.floor(RING_RECORDS / Math.max(1, job.size / 256)) + 1;
  let count = 0;
  let start = 0n;
  parentPort?.on("message", () => undefined);
  const look = (): void => {
    if (start === 0n) start = process.hrtime.bigint();
    count += consumer.drain(() => undefined);
    if (count < total) return;
    bells.close();
    parentPort?.postMessage((count * 1e9) / Number(process.hrtime.bigint() - start));
    parentPort?.close();
  };
  bells.listen(0, look);
}

/** In a worker: says as soon as it is awake. */
function wake(job: Job): void {
  const words = new Int32Array(job.bells);
  const bells = new Bells(words);
  parentPort?.on("message", () => undefined);
  bells.listen(0, () => {
    const end = Atomics.load(words, BELL_STRIDE) === 9;
    Atomics.store(words, BELL_STRIDE, 1);
    if (!end) return;
    bells.close();
    parentPort?.postMessage(0);
    parentPort?.close();
  });
  Atomics.store(words, BELL_STRIDE, 1);
}

if (isMainThread) await main();
else {
  const job = workerData as Job;
  if (job.kind === "data") parentPort?.postMessage(work(job));
  else if (job.kind === "ring") consume(job);
  else wake(job);
}
