/**
 * Times small synchronous bodies: warm-up, then the best of several rounds, which is the figure
 * that other load on the machine disturbs least.
 */
export interface Measured {
  readonly name: string;
  readonly bestNs: number;
  readonly medianNs: number;
}

const ROUNDS = 15;

/** Runs `body(count)` (which does the thing `count` times) and prints nanoseconds per time. */
export function measure(
  name: string,
  count: number,
  body: (count: number) => unknown,
  rounds = ROUNDS,
): Measured {
  for (let round = 0; round < 3; round++) body(count);
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const start = process.hrtime.bigint();
    body(count);
    times.push(Number(process.hrtime.bigint() - start) / count);
  }
  times.sort((a, b) => a - b);
  const result = { name, bestNs: times[0] as number, medianNs: times[rounds >> 1] as number };
  const columns = [result.bestNs, result.medianNs].map((ns) => ns.toFixed(0).padStart(7));
  process.stdout.write(`${name.padEnd(44)} best ${columns[0]} ns  median ${columns[1]} ns\n`);
  return result;
}
