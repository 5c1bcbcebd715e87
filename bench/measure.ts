/**
 * CPU time per request of a running process, by /proc (Linux). Load comes from wrk.
 */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { program } from "./peers.ts";

export interface CpuTicks {
  readonly user: number;
  readonly system: number;
}

const TICK_US = 10_000;

function statOf(pid: number): { parent: number; ticks: CpuTicks } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const ticks = { user: Number(fields[11]), system: Number(fields[12]) };
    return { parent: Number(fields[1]), ticks };
  } catch {
    return null;
  }
}

/** Ticks of `pid` and its children (nginx's workers). */
export function cpuOf(pid: number): CpuTicks {
  let user = 0;
  let system = 0;
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = statOf(Number(entry));
    if (stat === null || (Number(entry) !== pid && stat.parent !== pid)) continue;
    user += stat.ticks.user;
    system += stat.ticks.system;
  }
  return { user, system };
}

export interface LoadRound {
  readonly connections: number;
  readonly seconds: number;
  /** "name: value" each. */
  readonly headers: readonly string[];
  /** After which a request counts as an error; wrk's own 2 where there is none. */
  readonly timeoutSeconds?: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly errors: number;
  readonly perSecond: number;
}

/** Runs wrk for `seconds`; throws when it is not installed. */
export function load(url: string, round: LoadRound): Promise<LoadResult> {
  const { connections, seconds, headers } = round;
  const wrk = program("wrk");
  if (wrk === null) throw new Error("the benchmark needs wrk");
  const flags = ["-t1", `-c${connections}`, `-d${seconds}s`];
  if (round.timeoutSeconds !== undefined) flags.push(`--timeout=${round.timeoutSeconds}s`);
  for (const header of headers) flags.push("-H", header);
  return new Promise((resolve, reject) => {
    const child = spawn(wrk, [...flags, url]);
    let out = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    child.once("error", reject);
    child.once("close", () => {
      const requests = Number(/(\d+) requests in/.exec(out)?.[1] ?? "0");
      const bad = Number(/Non-2xx or 3xx responses: (\d+)/.exec(out)?.[1] ?? "0");
      const socket = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(
        out,
      );
      const errors = bad + (socket?.slice(1).reduce((sum, n) => sum + Number(n), 0) ?? 0);
      resolve({
        requests,
        errors,
        perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(out)?.[1] ?? "0"),
      });
    });
  });
}

export interface Sample {
  readonly userUs: number;
  readonly systemUs: number;
  readonly perSecond: number;
  readonly errors: number;
}

/** One round of load on `url`, with the CPU time that `pid` spent per request. */
export async function sample(pid: number, url: string, round: LoadRound): Promise<Sample> {
  const before = cpuOf(pid);
  const result = await load(url, round);
  const after = cpuOf(pid);
  const per = (ticks: number): number => (ticks * TICK_US) / Math.max(1, result.requests);
  return {
    userUs: per(after.user - before.user),
    systemUs: per(after.system - before.system),
    perSecond: result.perSecond,
    errors: result.errors,
  };
}
