import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LinearMemory } from "../../../src/abi/linear-memory.ts";
import { createWasi } from "../../../src/abi/wasi.ts";
import { WASI_FUNCTIONS, WASI_NAMES, type WasiSpec } from "../../../src/abi/wasi-table.ts";

class Exit extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`exit ${code}`);
    this.code = code;
  }
}

type Call = (name: string, ...wire: (number | bigint)[]) => unknown;

interface Rig {
  readonly memory: LinearMemory;
  readonly lines: string[];
  readonly fills: number[];
  readonly call: Call;
}

const PAGE = 65_536;

function rig(environment: readonly (readonly [string, string])[] = [], pages = 1): Rig {
  const memory = new LinearMemory();
  if (pages > 0) memory.attach(new WebAssembly.Memory({ initial: pages }));
  const lines: string[] = [];
  const fills: number[] = [];
  const functions = createWasi({
    memory,
    environment,
    writeLine: (fd, text) => lines.push(`${fd}:${text}`),
    wallNs: () => 1_700_000_000_123_456_789n,
    monotonicNs: () => 42n,
    randomFill: (bytes) => {
      fills.push(bytes.byteLength);
      bytes.fill(0xab);
    },
    exit: (code) => {
      throw new Exit(code);
    },
  });
  const call: Call = (name, ...wire) => {
    const fn = functions[name];
    assert.ok(fn, `${name} is served`);
    return (fn as (...args: (number | bigint)[]) => unknown)(...wire);
  };
  return { memory, lines, fills, call };
}

/** Puts strings behind one another from 4096 on and their vectors at 1024. */
function vectors(memory: LinearMemory, parts: readonly (string | Uint8Array)[]): number {
  let at = 4096;
  parts.forEach((part, index) => {
    const bytes = typeof part === "string" ? new TextEncoder().encode(part) : part;
    memory.writeBytes(at, bytes);
    memory.writeU32(1024 + index * 8, at);
    memory.writeU32(1024 + index * 8 + 4, bytes.byteLength);
    at += bytes.byteLength;
  });
  return parts.length;
}

function readU64(memory: LinearMemory, ptr: number): bigint {
  return BigInt(memory.readU32(ptr)) | (BigInt(memory.readU32(ptr + 4)) << 32n);
}

describe("WASI constants", () => {
  /** ABI 1.7, row by row: arguments and the errno that must come back. */
  const answers: readonly (readonly [string, readonly (number | bigint)[], number])[] = [
    ["args_get", [0, 0], 0],
    ["fd_close", [7], 0],
    ["fd_read", [0, 0, 0, 0], 52],
    ["fd_pread", [1, 0, 0, 0n, 0], 52],
    ["fd_prestat_get", [3, 0], 8],
    ["fd_prestat_get", [4, 0], 8],
    ["fd_prestat_dir_name", [3, 0, 0], 52],
    ["fd_filestat_get", [1, 0], 8],
    ["fd_filestat_set_size", [1, 0n], 0],
    ["fd_filestat_set_size", [3, 0n], 8],
    ["fd_filestat_set_times", [2, 0n, 0n, 0], 0],
    ["fd_filestat_set_times", [3, 0n, 0n, 0], 8],
    ["fd_fdstat_set_flags", [0, 4], 0],
    ["fd_fdstat_set_flags", [3, 4], 52],
    ["fd_fdstat_set_rights", [1, 0n, 0n], 0],
    ["fd_fdstat_set_rights", [0, 0n, 0n], 8],
    ["fd_advise", [1, 0n, 0n, 0], 0],
    ["fd_advise", [5, 0n, 0n, 0], 8],
    ["fd_allocate", [2, 0n, 0n], 0],
    ["fd_allocate", [5, 0n, 0n], 8],
    ["fd_datasync", [1], 0],
    ["fd_datasync", [0], 8],
    ["fd_sync", [2], 0],
    ["fd_sync", [9], 8],
    ["fd_renumber", [1, 5], 58],
    ["fd_renumber", [5, 1], 8],
    ["fd_seek", [1, 0n, 0, 0], 70],
    ["fd_seek", [9, 0n, 0, 0], 8],
    ["path_open", [3, 0, 0, 0, 0, 0n, 0n, 0, 0], 44],
    ["path_filestat_get", [3, 0, 0, 0, 0], 58],
    ["path_filestat_set_times", [3, 0, 0, 0, 0n, 0n, 0], 58],
    ["path_create_directory", [3, 0, 0], 58],
    ["path_remove_directory", [3, 0, 0], 58],
    ["path_unlink_file", [3, 0, 0], 58],
    ["path_link", [3, 0, 0, 0, 3, 0, 0], 58],
    ["path_symlink", [0, 0, 3, 0, 0], 58],
    ["path_rename", [3, 0, 0, 3, 0, 0], 58],
    ["sock_accept", [3, 0, 0], 58],
    ["sock_recv", [3, 0, 0, 0, 0, 0], 58],
    ["sock_send", [3, 0, 0, 0, 0], 58],
    ["sock_shutdown", [3, 0], 58],
    ["sched_yield", [], 0],
    ["proc_raise", [6], 58],
  ];
  for (const [name, wire, errno] of answers) {
    it(`${name}(${wire.join(", ")}) answers ${errno}`, () => {
      assert.equal(rig().call(name, ...wire), errno);
    });
  }

  it("passes as many parameters as the row declares", () => {
    for (const [name, wire] of answers) {
      const spec: WasiSpec | undefined = WASI_FUNCTIONS[name as keyof typeof WASI_FUNCTIONS];
      assert.equal(spec?.params.length, wire.length, name);
      spec?.params.forEach(([param, kind], index) => {
        assert.equal(typeof wire[index], kind === "i64" ? "bigint" : "number", `${name} ${param}`);
      });
    }
  });

  it("serves every row of the table, and no more", () => {
    const functions = createWasi({
      memory: new LinearMemory(),
      environment: [],
      writeLine: () => {},
      wallNs: () => 0n,
      monotonicNs: () => 0n,
      randomFill: () => {},
      exit: () => {
        throw new Exit(0);
      },
    });
    assert.deepEqual(Object.keys(functions).sort(), [...WASI_NAMES].sort());
  });
});

describe("fd_write", () => {
  it("joins its vectors to one line and strips one newline", () => {
    const { memory, lines, call } = rig();
    const count = vectors(memory, ["hello ", "world\n", "\n"]);
    assert.equal(call("fd_write", 1, 1024, count, 64), 0);
    assert.deepEqual(lines, ["1:hello world\n"]);
    assert.equal(memory.readU32(64), 13);
  });

  it("sends descriptor 2 to the error log", () => {
    const { memory, lines, call } = rig();
    assert.equal(call("fd_write", 2, 1024, vectors(memory, ["oops"]), 64), 0);
    assert.deepEqual(lines, ["2:oops"]);
  });

  it("emits nothing for an empty line", () => {
    const { memory, lines, call } = rig();
    assert.equal(call("fd_write", 1, 1024, vectors(memory, ["\n"]), 64), 0);
    assert.equal(call("fd_write", 1, 1024, 0, 64), 0);
    assert.deepEqual(lines, []);
    assert.equal(memory.readU32(64), 0);
  });

  it("keeps a character that lies across two vectors", () => {
    const { memory, lines, call } = rig();
    const count = vectors(memory, [Uint8Array.of(0xc3), Uint8Array.of(0xa9)]);
    call("fd_write", 1, 1024, count, 64);
    assert.deepEqual(lines, ["1:\u00e9"]);
  });

  it("answers FAULT for memory outside the guest, writes nothing, and still works after", () => {
    const { memory, lines, call } = rig();
    const count = vectors(memory, [Uint8Array.of(0xc3), "lost"]);
    memory.writeU32(1024 + 8, PAGE - 1);
    assert.equal(call("fd_write", 1, 1024, count, 64), 21);
    assert.equal(call("fd_write", 1, PAGE - 4, 1, 64), 21);
    assert.equal(call("fd_write", 1, 1024, 1, PAGE - 2), 21);
    assert.equal(call("fd_write", 1, 1024, 1, -1), 21);
    lines.length = 0;
    call("fd_write", 1, 1024, vectors(memory, ["next"]), 64);
    assert.deepEqual(lines, ["1:next"]);
  });

  it("cuts an endless line and tells the guest that all was written", () => {
    const { memory, lines, call } = rig([], 4);
    memory.writeU32(1024, 4096);
    memory.writeU32(1028, 100_000);
    memory.view(4096, 100_000)?.fill(0x61);
    assert.equal(call("fd_write", 1, 1024, 1, 64), 0);
    assert.equal(memory.readU32(64), 100_000);
    assert.equal(lines[0]?.length, 2 + 65_536);
  });

  it("takes at most 1024 vectors and says how much it took", () => {
    const { memory, call } = rig([], 4);
    for (let i = 0; i < 2000; i++) {
      memory.writeU32(4096 + i * 8, 64);
      memory.writeU32(4096 + i * 8 + 4, 1);
    }
    assert.equal(call("fd_write", 1, 4096, 2000, 128), 0);
    assert.equal(memory.readU32(128), 1024);
  });

  it("refuses other descriptors", () => {
    const { memory, lines, call } = rig();
    const count = vectors(memory, ["x"]);
    for (const fd of [0, 3, -1]) assert.equal(call("fd_write", fd, 1024, count, 64), 8);
    assert.deepEqual(lines, []);
  });

  it("has a positioned form that does the same", () => {
    const { memory, lines, call } = rig();
    const count = vectors(memory, ["x\n"]);
    assert.equal(call("fd_pwrite", 1, 1024, count, 5n, 64), 0);
    assert.deepEqual(lines, ["1:x"]);
    assert.equal(memory.readU32(64), 2);
  });
});

describe("other WASI functions", () => {
  it("describes standard output as a terminal that can only be written", () => {
    const { memory, call } = rig();
    memory.view(64, 24)?.fill(0xff);
    assert.equal(call("fd_fdstat_get", 1, 64), 0);
    const expected = new Uint8Array(24);
    expected[0] = 2;
    expected[8] = 64;
    assert.deepEqual(memory.readBytes(64, 24), expected);
    assert.equal(call("fd_fdstat_get", 0, 64), 8);
    assert.equal(call("fd_fdstat_get", 3, 64), 8);
    assert.equal(call("fd_fdstat_get", 1, PAGE - 23), 21);
  });

  it("tells position 0 of the standard descriptors", () => {
    const { memory, call } = rig();
    memory.writeU64(64, 9n);
    assert.equal(call("fd_tell", 1, 64), 0);
    assert.equal(readU64(memory, 64), 0n);
    assert.equal(call("fd_tell", 0, 64), 8);
  });

  it("reports no directory entries and no links", () => {
    const { memory, call } = rig();
    memory.writeU32(64, 9);
    assert.equal(call("fd_readdir", 3, 0, 0, 0n, 64), 20);
    assert.equal(memory.readU32(64), 0);
    memory.writeU32(64, 9);
    assert.equal(call("path_readlink", 3, 0, 0, 0, 0, 64), 58);
    assert.equal(memory.readU32(64), 0);
  });

  it("gives the configured environment as NUL-terminated UTF-8", () => {
    const { memory, call } = rig([
      ["NAME", "value"],
      ["CITY", "K\u00f6ln"],
    ]);
    assert.equal(call("environ_sizes_get", 64, 68), 0);
    assert.equal(memory.readU32(64), 2);
    assert.equal(memory.readU32(68), 11 + 11);
    assert.equal(call("environ_get", 128, 256), 0);
    assert.equal(memory.readUtf8(memory.readU32(128), 11), "NAME=value\0");
    assert.equal(memory.readUtf8(memory.readU32(132), 11), "CITY=K\u00f6ln\0");
    assert.equal(call("environ_get", PAGE - 4, 256), 21);
    assert.equal(call("environ_get", 128, PAGE - 21), 21);
  });

  it("has no environment and no arguments unless configured", () => {
    const { memory, call } = rig();
    memory.writeU32(64, 7);
    memory.writeU32(68, 7);
    assert.equal(call("args_sizes_get", 64, 68), 0);
    assert.equal(memory.readU32(64), 0);
    assert.equal(memory.readU32(68), 0);
    assert.equal(call("environ_sizes_get", 64, 68), 0);
    assert.equal(call("environ_get", 0, 0), 0);
    assert.equal(call("args_sizes_get", 64, PAGE), 21);
  });

  it("reads the wall clock and the monotonic clock, and no other", () => {
    const { memory, call } = rig();
    assert.equal(call("clock_time_get", 0, 0n, 64), 0);
    assert.equal(readU64(memory, 64), 1_700_000_000_123_456_789n);
    assert.equal(call("clock_time_get", 1, 1n, 64), 0);
    assert.equal(readU64(memory, 64), 42n);
    assert.equal(call("clock_time_get", 2, 0n, 64), 58);
    assert.equal(call("clock_time_get", 3, 0n, 64), 58);
    assert.equal(call("clock_time_get", 0, 0n, PAGE - 7), 21);
    assert.equal(call("clock_res_get", 1, 64), 0);
    assert.equal(readU64(memory, 64), 1n);
    assert.equal(call("clock_res_get", 2, 64), 58);
  });

  it("fills any length with random bytes, 64 KiB at a time", () => {
    const { memory, fills, call } = rig([], 4);
    assert.equal(call("random_get", 100, 150_000), 0);
    assert.deepEqual(fills, [65_536, 65_536, 18_928]);
    assert.equal(memory.view(99, 1)?.[0], 0);
    assert.equal(memory.view(100 + 149_999, 1)?.[0], 0xab);
    assert.equal(memory.view(100 + 150_000, 1)?.[0], 0);
    assert.equal(call("random_get", -1, 0), 0);
    assert.equal(call("random_get", PAGE * 4 - 1, 2), 21);
  });

  it("answers poll_oneoff at once, with no event", () => {
    const { memory, call } = rig();
    memory.writeU32(64, 3);
    assert.equal(call("poll_oneoff", 0, 0, 1, 64), 0);
    assert.equal(memory.readU32(64), 0);
  });

  it("leaves the guest on proc_exit", () => {
    assert.throws(() => rig().call("proc_exit", 3), new Exit(3));
  });

  it("answers FAULT, and never throws, while the memory is unknown", () => {
    const { lines, call } = rig([], 0);
    assert.equal(call("fd_write", 1, 1024, 1, 64), 21);
    assert.equal(call("random_get", 0, 8), 21);
    assert.equal(call("clock_time_get", 0, 0n, 64), 21);
    assert.equal(call("args_sizes_get", 0, 4), 21);
    assert.equal(call("fd_prestat_get", 3, 64), 8);
    assert.deepEqual(lines, []);
  });
});
