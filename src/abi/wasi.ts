/**
 * The WASI functions of one VM: `wasi_snapshot_preview1` and `wasi_unstable` are served by the same
 * object. Functions that answer a constant come from the table; those that do something are here.
 * The memory may still be unknown while a module's `(start)` section runs; every range is then out
 * of bounds, and the answer is FAULT. Source: ABI 1.7.
 */
import { LIMITS } from "../base/limits.ts";
import type { HostFunction, HostFunctions } from "./imports.ts";
import type { LinearMemory } from "./linear-memory.ts";
import { ERRNO, WASI_FUNCTIONS, WASI_NAMES, type WasiSpec } from "./wasi-table.ts";

export interface WasiEnv {
  readonly memory: LinearMemory;
  /** A line of standard output (1, info) or standard error (2, error), without its newline. */
  writeLine(fd: 1 | 2, text: string): void;
  /** Exactly the configured variables; never the host's own. */
  readonly environment: readonly (readonly [string, string])[];
  /** Nanoseconds since the Unix epoch. */
  wallNs(): bigint;
  /** Nanoseconds from any start, never going back. */
  monotonicNs(): bigint;
  /** Fills at most 65,536 bytes from a cryptographic source. */
  randomFill(bytes: Uint8Array): void;
  /** Leaves the guest by throwing; the engine knows whether that is a normal end. */
  exit(code: number): never;
}

/** Entropy sources fill at most this much per call. */
const RANDOM_CHUNK_BYTES = 65_536;
/** More vectors than this are left to the guest's next call, as a short write. */
const IOVECS_PER_CALL = 1_024;
const FDSTAT_BYTES = 24;
const FILETYPE_CHARACTER_DEVICE = 2;
const RIGHT_FD_WRITE = 64;

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Makes the functions of one VM. Thread: the VM's. Only `proc_exit` throws. */
export function createWasi(env: WasiEnv): HostFunctions {
  const functions: Record<string, HostFunction> = {};
  for (const name of WASI_NAMES) {
    const made = fromTable(WASI_FUNCTIONS[name]);
    if (made !== null) functions[name] = made;
  }
  return { ...functions, ...outputBodies(env), ...valueBodies(env), ...environmentBodies(env) };
}

function fromTable(spec: WasiSpec): HostFunction | null {
  const answer = spec.answer;
  switch (answer.kind) {
    case "constant": {
      const errno = ERRNO[answer.errno];
      return () => errno;
    }
    case "descriptor": {
      const { standardFds } = answer;
      const standard = ERRNO[answer.standard];
      const other = ERRNO[answer.other];
      return (fd: number) => (standardFds.includes(fd) ? standard : other);
    }
    case "body":
      return null;
  }
}

function isOutput(fd: number): fd is 1 | 2 {
  return fd === 1 || fd === 2;
}

function outputBodies(env: WasiEnv): HostFunctions {
  const { memory } = env;
  const write = (fd: number, iovs: number, count: number, nwrittenPtr: number): number => {
    if (!isOutput(fd)) return ERRNO.badf;
    if (!memory.isRange(nwrittenPtr, 4)) return ERRNO.fault;
    const gathered = gather(memory, iovs, count);
    if (gathered === null) return ERRNO.fault;
    memory.writeU32(nwrittenPtr, gathered.byteCount);
    if (gathered.text !== "") env.writeLine(fd, gathered.text);
    return ERRNO.success;
  };
  return {
    fd_write: write,
    fd_pwrite: (fd: number, iovs: number, count: number, _offset: bigint, nwritten: number) =>
      write(fd, iovs, count, nwritten),
    fd_fdstat_get: (fd: number, stat: number): number => {
      if (!isOutput(fd)) return ERRNO.badf;
      const target = memory.view(stat, FDSTAT_BYTES);
      if (target === null) return ERRNO.fault;
      target.fill(0);
      // A terminal: wasi-libc then flushes at each newline and not only when its buffer is full.
      target[0] = FILETYPE_CHARACTER_DEVICE;
      target[8] = RIGHT_FD_WRITE;
      return ERRNO.success;
    },
    fd_tell: (fd: number, offset: number): number => {
      if (!isOutput(fd)) return ERRNO.badf;
      return memory.writeU64(offset, 0n) ? ERRNO.success : ERRNO.fault;
    },
    fd_readdir: (_fd: number, _buf: number, _len: number, _cookie: bigint, used: number) =>
      memory.writeU32(used, 0) ? ERRNO.notDirectory : ERRNO.fault,
    path_readlink: (_fd: number, _p: number, _pl: number, _b: number, _bl: number, used: number) =>
      memory.writeU32(used, 0) ? ERRNO.notSupported : ERRNO.fault,
  };
}

function valueBodies(env: WasiEnv): HostFunctions {
  const { memory } = env;
  const written = (isDone: boolean): number => (isDone ? ERRNO.success : ERRNO.fault);
  return {
    clock_res_get: (id: number, resolution: number): number =>
      id === 0 || id === 1 ? written(memory.writeU64(resolution, 1n)) : ERRNO.notSupported,
    clock_time_get: (id: number, _precision: bigint, time: number): number => {
      if (id === 0) return written(memory.writeU64(time, env.wallNs()));
      if (id === 1) return written(memory.writeU64(time, env.monotonicNs()));
      return ERRNO.notSupported;
    },
    random_get: (buf: number, len: number): number => {
      const target = memory.view(buf, len);
      if (target === null) return ERRNO.fault;
      for (let at = 0; at < target.byteLength; at += RANDOM_CHUNK_BYTES) {
        env.randomFill(target.subarray(at, at + RANDOM_CHUNK_BYTES));
      }
      return ERRNO.success;
    },
    poll_oneoff: (_in: number, _out: number, _count: number, nevents: number): number =>
      written(memory.writeU32(nevents, 0)),
    proc_exit: (code: number): never => env.exit(code),
  };
}

function environmentBodies(env: WasiEnv): HostFunctions {
  const { memory } = env;
  const variables = env.environment.map(([name, value]) => encoder.encode(`${name}=${value}\0`));
  const byteCount = variables.reduce((sum, variable) => sum + variable.byteLength, 0);
  const writePair = (first: number, second: number, values: readonly [number, number]): number => {
    if (!memory.isRange(first, 4) || !memory.isRange(second, 4)) return ERRNO.fault;
    memory.writeU32(first, values[0]);
    memory.writeU32(second, values[1]);
    return ERRNO.success;
  };
  return {
    args_sizes_get: (argc: number, bytes: number) => writePair(argc, bytes, [0, 0]),
    environ_sizes_get: (count: number, bytes: number) =>
      writePair(count, bytes, [variables.length, byteCount]),
    environ_get: (environ: number, buf: number): number => {
      if (!memory.isRange(environ, variables.length * 4)) return ERRNO.fault;
      if (!memory.isRange(buf, byteCount)) return ERRNO.fault;
      let at = buf >>> 0;
      variables.forEach((variable, index) => {
        memory.writeU32((environ >>> 0) + index * 4, at);
        memory.writeBytes(at, variable);
        at += variable.byteLength;
      });
      return ERRNO.success;
    },
  };
}

interface Gathered {
  /** What the guest learns: bytes of all vectors that were taken. */
  readonly byteCount: number;
  /** Decoded as UTF-8, cut at the line limit, without one final newline. */
  readonly text: string;
}

/** Joins the vectors at `iovs`, each `{u32 ptr; u32 len}`; null when any of it is out of range. */
function gather(memory: LinearMemory, iovs: number, count: number): Gathered | null {
  const start = iovs >>> 0;
  const wanted = Math.min(count >>> 0, IOVECS_PER_CALL);
  if (!memory.isRange(start, wanted * 8)) return null;
  let byteCount = 0;
  let text = "";
  let room: number = LIMITS.guestLogLineBytes;
  for (let at = start; at < start + wanted * 8; at += 8) {
    const part = memory.view(memory.readU32(at), memory.readU32(at + 4));
    if (part === null) {
      decoder.decode();
      return null;
    }
    if (byteCount + part.byteLength > 0x7fffffff) break;
    byteCount += part.byteLength;
    const kept = part.subarray(0, room);
    room -= kept.byteLength;
    // Streaming: a character may lie across two vectors.
    text += decoder.decode(kept, { stream: true });
  }
  text += decoder.decode();
  return { byteCount, text: text.endsWith("\n") ? text.slice(0, -1) : text };
}
