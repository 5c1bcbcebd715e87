import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import wabtFactory from "wabt";
import {
  checkModule,
  describeType,
  type ModuleInfo,
  readModuleInfo,
  type ServedLookup,
} from "../../../src/abi/module-info.ts";

const wabt = await wabtFactory();

function wat(text: string): Uint8Array {
  const features = { threads: true, memory64: true, multi_memory: true, exceptions: true };
  const module = wabt.parseWat("test.wat", text, features);
  return module.toBinary({ write_debug_names: true }).buffer;
}

function info(bytes: Uint8Array): ModuleInfo {
  const read = readModuleInfo(bytes);
  if ("error" in read) assert.fail(read.error);
  return read;
}

function errorOf(bytes: Uint8Array): string {
  const read = readModuleInfo(bytes);
  return "error" in read ? read.error : assert.fail("the module was accepted");
}

const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

function leb(value: number): number[] {
  const low = value % 128;
  return value < 128 ? [low] : [low + 128, ...leb(Math.floor(value / 128))];
}

function text(value: string): number[] {
  const bytes = [...new TextEncoder().encode(value)];
  return [...leb(bytes.length), ...bytes];
}

function section(id: number, body: readonly number[]): number[] {
  return [id, ...leb(body.length), ...body];
}

function module(...sections: readonly (readonly number[])[]): Uint8Array {
  return Uint8Array.from([...HEADER, ...sections.flat()]);
}

function producers(fields: Readonly<Record<string, readonly [string, string][]>>): number[] {
  const body = Object.entries(fields).flatMap(([field, values]) => [
    ...text(field),
    ...leb(values.length),
    ...values.flatMap(([name, version]) => [...text(name), ...text(version)]),
  ]);
  return section(0, [...text("producers"), ...leb(Object.keys(fields).length), ...body]);
}

const FILTER = wat(`
  (module $my_filter
    (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
    (import "env" "proxy_increment_metric" (func (param i32 i64) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
    (memory (export "memory") 2 16)
    (table 3 funcref)
    (func $start)
    (start $start)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "malloc") (param i32) (result i32) i32.const 0)
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) i32.const 0)
    (global (export "answer") i32 (i32.const 42)))`);

const SERVE_ALL: ServedLookup = () => "served";

describe("readModuleInfo", () => {
  it("reads imports with their types", () => {
    const imports = info(FILTER).imports.map((entry) => [
      `${entry.module}.${entry.name}`,
      entry.kind === "function" && entry.type !== null ? describeType(entry.type) : entry.kind,
    ]);
    assert.deepEqual(imports, [
      ["env.proxy_log", "(i32, i32, i32) -> i32"],
      ["env.proxy_increment_metric", "(i32, i64) -> i32"],
      ["wasi_snapshot_preview1.proc_exit", "(i32) -> ()"],
    ]);
  });

  it("reads exports with kinds and types, imports counted in the index space", () => {
    const exports = info(FILTER).exports.map((entry) => [
      entry.name,
      entry.kind === "function" && entry.type !== null ? describeType(entry.type) : entry.kind,
    ]);
    assert.deepEqual(exports, [
      ["memory", "memory"],
      ["proxy_abi_version_0_2_1", "() -> ()"],
      ["malloc", "(i32) -> i32"],
      ["proxy_on_request_headers", "(i32, i32, i32) -> i32"],
      ["answer", "global"],
    ]);
  });

  it("reads memories, tables, start section, code and names", () => {
    const read = info(FILTER);
    assert.deepEqual(read.memories, [{ minPages: 2, maxPages: 16, isShared: false, is64: false }]);
    assert.deepEqual(read.tables, [{ elementType: "funcref", minElements: 3, maxElements: null }]);
    assert.equal(read.hasStart, true);
    assert.equal(read.functionCount, 4);
    assert.ok(read.codeBytes > 0 && read.codeBytes < FILTER.byteLength);
    assert.equal(read.byteSize, FILTER.byteLength);
    assert.equal(read.moduleName, "my_filter");
    assert.deepEqual(
      read.customSections.map((entry) => entry.name),
      ["name"],
    );
    assert.equal(read.abi.version, "0.2.1");
  });

  it("agrees with the engine about names and kinds", () => {
    const engine = new WebAssembly.Module(FILTER);
    const read = info(FILTER);
    const names = (list: readonly { name: string; kind: string }[]): string[] =>
      list.map((entry) => `${entry.kind} ${entry.name}`);
    assert.deepEqual(names(read.imports), names(WebAssembly.Module.imports(engine)));
    assert.deepEqual(names(read.exports), names(WebAssembly.Module.exports(engine)));
  });

  it("reads imported memories, tables, globals and tags", () => {
    const read = info(
      wat(`(module (import "env" "memory" (memory 1)) (import "env" "t" (table 1 funcref))
        (import "env" "g" (global i32)) (import "env" "tag" (tag (param i32)))
        (import "env" "f" (func (result i64))))`),
    );
    assert.deepEqual(
      read.imports.map((entry) => entry.kind),
      ["memory", "table", "global", "tag", "function"],
    );
    assert.equal(read.memories[0]?.maxPages, null);
  });

  it("reads the limits of 64-bit and shared memories", () => {
    const wide = info(wat("(module (memory i64 1 4294967297))"));
    assert.deepEqual(wide.memories, [
      { minPages: 1, maxPages: 4294967297, isShared: false, is64: true },
    ]);
    assert.equal(info(wat("(module (memory 1 2 shared))")).memories[0]?.isShared, true);
  });

  it("leaves types open when the module declares forms it does not know", () => {
    const structType = section(1, [1, 0x5f, 0]);
    const exported = section(7, [1, ...text("f"), 0, 0]);
    const read = info(module(structType, section(3, [1, 0]), exported));
    assert.deepEqual(read.exports, [{ name: "f", kind: "function", type: null }]);
  });

  it("keeps the rest of a module whose custom sections are malformed", () => {
    const broken = section(0, [...text("producers"), 1, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    const unnamed = section(0, [0x7f]);
    const read = info(module(broken, unnamed, section(8, [0])));
    assert.deepEqual(read.producers, []);
    assert.equal(read.hasStart, true);
  });
});

describe("readModuleInfo, of files that are no modules", () => {
  it("says what the file is instead", () => {
    assert.equal(errorOf(new Uint8Array()), "not a WebAssembly file");
    assert.equal(errorOf(new TextEncoder().encode("(module)")), "not a WebAssembly file");
    assert.match(errorOf(Uint8Array.from(HEADER.slice(0, 6))), /ends in its header/);
    assert.match(errorOf(Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0)), /component/);
    assert.match(errorOf(Uint8Array.of(0, 0x61, 0x73, 0x6d, 2, 0, 0, 0)), /version 2/);
  });

  it("names the section that is malformed", () => {
    const endlessNumber = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0];
    assert.match(errorOf(module([1, 0x7f])), /malformed module: unexpected end/);
    assert.match(errorOf(module([2, ...endlessNumber])), /malformed module: malformed number/);
    assert.match(errorOf(module(section(2, endlessNumber))), /import section: malformed number/);
    assert.match(errorOf(module(section(7, [9]))), /export section: impossible count 9/);
    assert.match(errorOf(module(section(2, [1, 1, 0x61, 1, 0x62, 9]))), /import kind 9/);
    assert.match(errorOf(module(section(7, [1, 1, 0x61, 9, 0]))), /export kind 9/);
    assert.match(errorOf(module(section(5, [1, 0x80, 0]))), /memory section: unknown memory flags/);
    assert.match(errorOf(module(section(77, []))), /malformed 77 section: unknown section/);
    assert.match(errorOf(module(section(2, [1, 0x70, 0x61]))), /impossible name length 112/);
  });

  it("takes no number of more than 32 bits", () => {
    assert.match(errorOf(module(section(3, [0xff, 0xff, 0xff, 0xff, 0x1f]))), /malformed number/);
    assert.match(errorOf(module(section(3, [0xff, 0xff, 0xff, 0xff, 0x0f]))), /count 4294967295/);
  });

  it("never throws, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (tail) => {
        readModuleInfo(Uint8Array.from([...HEADER, ...tail]));
        assert.ok(Array.isArray(checkModule(tail, SERVE_ALL)));
      }),
      { seed: 20_261, numRuns: 2_000 },
    );
  });

  it("never throws on a module with some bytes changed or its end cut off", () => {
    const change = fc.record({ at: fc.nat(FILTER.length - 1), value: fc.nat(255) });
    let refused = 0;
    fc.assert(
      fc.property(fc.array(change, { maxLength: 4 }), fc.nat(FILTER.length), (changes, end) => {
        const bytes = FILTER.slice(0, end);
        for (const { at, value } of changes) if (at < end) bytes[at] = value;
        if ("error" in readModuleInfo(bytes)) refused++;
      }),
      { seed: 20_262, numRuns: 2_000 },
    );
    assert.ok(refused > 100, "the changes did damage");
  });
});

describe("toolchain", () => {
  const guess = (bytes: Uint8Array): string => {
    const { name, version } = info(bytes).toolchain;
    return `${name} ${version}`.trim();
  };

  it("is Rust by its producers, though the linker is clang's", () => {
    const bytes = module(
      producers({
        language: [["Rust", ""]],
        "processed-by": [
          ["clang", "19.1.0"],
          ["rustc", "1.85.0 (4d91de4e4 2025-02-17)"],
        ],
      }),
    );
    assert.equal(guess(bytes), "Rust 1.85.0 (4d91de4e4 2025-02-17)");
    assert.equal(info(bytes).producers.length, 3);
  });

  it("is Go by its producers or its build id", () => {
    const bytes = module(
      producers({
        language: [["Go", "go1.26.0"]],
        "processed-by": [["Go cmd/compile", "go1.26.0"]],
      }),
    );
    assert.equal(guess(bytes), "Go go1.26.0");
    assert.equal(guess(module(section(0, [...text("go:buildid"), 1]))), "Go");
  });

  it("is TinyGo by its runtime's names or its pair of allocators", () => {
    assert.equal(guess(wat("(module (func $runtime.alloc))")), "TinyGo");
    const both = `(func (export "malloc")) (func (export "calloc"))
      (func (export "proxy_on_memory_allocate"))`;
    assert.equal(guess(wat(`(module ${both})`)), "TinyGo");
  });

  it("is AssemblyScript by its library's names or its abort", () => {
    assert.equal(guess(wat("(module (func $~lib/rt/itcms/__new))")), "AssemblyScript");
    const abort = '(import "env" "abort" (func (param i32 i32 i32 i32)))';
    assert.equal(guess(wat(`(module ${abort})`)), "AssemblyScript");
  });

  it("is known by the texts of its library when all names are stripped", () => {
    const data = (text: string): string => `(module (memory 1) (data (i32.const 8) "${text}"))`;
    assert.equal(guess(wat(data("/rustc/0/library/core/src/fmt/mod.rs"))), "Rust");
    assert.equal(guess(wat(data("~\\00l\\00i\\00b\\00/\\00"))), "AssemblyScript");
    assert.equal(guess(wat(data("library"))), "unknown");
  });

  it("is emscripten by its imports, plain clang by its producers", () => {
    const growth = '(import "env" "emscripten_notify_memory_growth" (func (param i32)))';
    assert.equal(guess(wat(`(module ${growth})`)), "C++ (emscripten)");
    const clang = module(producers({ "processed-by": [["clang", "18.1.2"]] }));
    assert.equal(guess(clang), "C/C++ (clang, wasi-libc) 18.1.2");
  });

  it("is unknown when nothing tells", () => {
    assert.equal(guess(wat('(module (import "env" "abort" (func)))')), "unknown");
  });
});

describe("checkModule", () => {
  const served: ServedLookup = (_module, name) =>
    name === "proxy_log" ? "served" : name === "proxy_http_call" ? "unimplemented" : "unknown";
  const parts = {
    marker: '(func (export "proxy_abi_version_0_2_0"))',
    allocator: '(func (export "malloc") (param i32) (result i32) i32.const 0)',
    memory: '(memory (export "memory") 1)',
  };
  const check = (changed: Partial<typeof parts> = {}, imports = ""): readonly string[] => {
    const { marker, allocator, memory } = { ...parts, ...changed };
    return checkModule(wat(`(module ${imports} ${marker} ${allocator} ${memory})`), served);
  };

  it("has nothing to say about a sound filter", () => {
    const imports = `(import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
      (import "env" "proxy_http_call" (func (result i32)))`;
    assert.deepEqual(check({}, imports), []);
    const own = '(func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 0)';
    assert.deepEqual(check({ allocator: own }), []);
    const marked = '(func (export "granary_coroutines"))';
    assert.deepEqual(check({ allocator: parts.allocator + marked }), []);
    assert.deepEqual(check({ memory: "" }, '(import "env" "memory" (memory 1))'), []);
  });

  it("reports all problems at once", () => {
    const problems = check({ marker: "", allocator: "", memory: "" }, '(import "a" "b" (func))');
    assert.equal(problems.length, 4);
    assert.match(problems[0] ?? "", /no Proxy-Wasm ABI marker.*proxy_abi_version_0_2_1/);
    assert.equal(problems[1], "imports that nobody serves: a.b () -> ()");
    assert.match(problems[2] ?? "", /no allocator/);
    assert.match(problems[3] ?? "", /no memory/);
  });

  it("names the marker that it does not know", () => {
    const marker = '(func (export "proxy_abi_version_0_3_0"))';
    assert.match(check({ marker })[0] ?? "", /unknown Proxy-Wasm ABI: .*proxy_abi_version_0_3_0/);
  });

  it("takes no marker that is not a function", () => {
    const marker = '(global (export "proxy_abi_version_0_2_1") i32 (i32.const 0))';
    assert.match(check({ marker })[0] ?? "", /no Proxy-Wasm ABI marker/);
  });

  it("takes no marker of coroutines that is not a function", () => {
    const marker = `${parts.marker} (global (export "granary_coroutines") i32 (i32.const 1))`;
    assert.deepEqual(check({ marker }), [
      "the export granary_coroutines is a global: it must be a function",
    ]);
  });

  it("names each unknown import with its type, and counts those beyond fifty", () => {
    const two = '(import "env" "x" (func (param i64))) (import "wasi" "y" (func (result i32)))';
    assert.deepEqual(check({}, two), [
      "imports that nobody serves: env.x (i64) -> (), wasi.y () -> i32",
    ]);
    const many = Array.from({ length: 60 }, (_, i) => `(import "m" "f${i}" (func))`).join(" ");
    assert.match(check({}, many)[0] ?? "", /m\.f49 \(\) -> \(\) and 10 more$/);
  });

  it("refuses imported globals and tags", () => {
    assert.deepEqual(check({}, '(import "env" "g" (global i32))'), [
      "imports other than functions: env.g (global)",
    ]);
  });

  it("refuses 64-bit, shared and second memories", () => {
    assert.match(check({ memory: '(memory (export "memory") i64 1)' })[0] ?? "", /64-bit/);
    assert.match(check({ memory: '(memory (export "memory") 1 2 shared)' })[0] ?? "", /shared/);
    const two = '(memory (export "memory") 1) (memory 1)';
    assert.match(check({ memory: two })[0] ?? "", /2 memories/);
  });

  it("says what is wrong with a file that is no module", () => {
    assert.deepEqual(checkModule(new Uint8Array(3), served), ["not a WebAssembly file"]);
  });
});
