/**
 * Gives the stats of the whole server to the plugins that are stats sinks, as Envoy does
 * (ABI 2.10): a block of counters, then one of gauges. Only stats that were ever written are in it.
 *
 *     block_size | 1 counters, 2 gauges | count     u32 each
 *     per stat: name length (u32), name, zeros up to a multiple of 8 from the start of the buffer,
 *     value (u64), and for counters their growth since the last flush (u64)
 * Thread: the silo of singletons, off the hot way.
 */
import type { MetricSnapshot, ScalarSample } from "../metrics/snapshot.ts";
import type { Plugin } from "../vm/types.ts";

const BLOCK = { counter: 1, gauge: 2 } as const;
const BLOCK_HEADER_BYTES = 12;

/** Stats of one kind; `deltas`: growth by index, for counters. */
interface StatBlock {
  readonly kind: keyof typeof BLOCK;
  readonly samples: readonly ScalarSample[];
  readonly deltas: readonly bigint[];
}

const alignUp = (at: number): number => (at + 7) & ~7;

/** Where a stat that starts at `at` has its value. */
function valueOffset(at: number, name: string): number {
  return alignUp(at + 4 + Buffer.byteLength(name));
}

function endOf({ kind, samples }: StatBlock, start: number): number {
  let at = start + BLOCK_HEADER_BYTES;
  for (const { name } of samples) at = valueOffset(at, name) + (kind === "counter" ? 16 : 8);
  return at;
}

function writeBlock(target: Buffer, start: number, block: StatBlock): number {
  const { kind, samples, deltas } = block;
  const end = endOf(block, start);
  target.writeUInt32LE(end - start, start);
  target.writeUInt32LE(BLOCK[kind], start + 4);
  target.writeUInt32LE(samples.length, start + 8);
  let at = start + BLOCK_HEADER_BYTES;
  samples.forEach(({ name, value }, index) => {
    target.writeUInt32LE(Buffer.byteLength(name), at);
    target.write(name, at + 4, "utf8");
    at = valueOffset(at, name);
    target.writeBigUInt64LE(asU64(value), at);
    at += 8;
    if (kind === "gauge") return;
    target.writeBigUInt64LE(BigInt.asUintN(64, deltas[index] ?? 0n), at);
    at += 8;
  });
  return end;
}

function asU64(value: number | bigint): bigint {
  return BigInt.asUintN(64, typeof value === "bigint" ? value : BigInt(Math.trunc(value)));
}

/** The buffer of `envoy_on_stats_update`; exported for tests. */
export function encodeStats(counters: StatBlock, gauges: StatBlock): Uint8Array {
  const middle = endOf(counters, 0);
  const target = Buffer.alloc(endOf(gauges, middle));
  writeBlock(target, writeBlock(target, 0, counters), gauges);
  return target;
}

export class StatsFeed {
  readonly #source: { take(): MetricSnapshot };
  #plugins: readonly Plugin[];
  /** Counters at the last flush. */
  readonly #last = new Map<string, bigint>();

  constructor(source: { take(): MetricSnapshot }, plugins: readonly Plugin[]) {
    this.#source = source;
    this.#plugins = plugins;
  }

  /** Others get the stats from now on; growth goes on from what was last told. */
  use(plugins: readonly Plugin[]): void {
    this.#plugins = plugins;
  }

  flush(): void {
    const used = this.#source.take().scalars.filter((sample) => sample.used);
    const counters = used.filter(({ kind }) => kind === "counter");
    const gauges = used.filter(({ kind }) => kind === "gauge");
    const deltas = counters.map(({ name, value }) => this.#growth(name, asU64(value)));
    const stats = encodeStats(
      { kind: "counter", samples: counters, deltas },
      { kind: "gauge", samples: gauges, deltas: [] },
    );
    for (const plugin of this.#plugins) plugin.statsUpdate(stats);
  }

  #growth(name: string, value: bigint): bigint {
    const delta = value - (this.#last.get(name) ?? 0n);
    this.#last.set(name, value);
    return delta;
  }
}
