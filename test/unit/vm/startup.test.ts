import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createPluginHost } from "../../../src/vm/plugin-host.ts";
import { FakeThread } from "../../harness/fake-roles.ts";
import { type GuestSource, guestText } from "../../harness/guest-source.ts";
import { CODE_SHA, configWith, pluginConfig, startPlugin } from "../../harness/plugin-fixture.ts";
import { compileWat } from "../../harness/wat.ts";

const LOG = (at: number, length: number): string =>
  `(drop (call $proxy_log (i32.const 2) (i32.const ${at}) (i32.const ${length})))`;
const PROC_EXIT = '(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))';

/** A guest with fields that must stand before all others (imports). */
function startText(text: string) {
  const thread = new FakeThread();
  const module = new WebAssembly.Module(compileWat(text));
  const config = configWith([pluginConfig()]);
  const host = createPluginHost({
    config,
    modules: new Map([[CODE_SHA, module]]),
    roles: thread,
    singletons: "here",
  });
  return { problems: host.start(), thread };
}

function withImport(source: GuestSource, imports: string): string {
  return guestText({ ...source, imports });
}

const logged = (thread: FakeThread): string[] => thread.lines.map((line) => line.slice(-4));

describe("start-up of a module", () => {
  for (const abi of ["0_1_0", "0_2_0", "0_2_1", "0_2_100"]) {
    it(`accepts ABI marker ${abi}`, () => {
      assert.deepEqual(startPlugin({ abi }).problems, []);
    });
  }

  it("refuses a module without a marker or with an unknown one, naming what it found", () => {
    assert.match(startPlugin({ abi: "" }).problems[0] ?? "", /no known ABI .*found: none/);
    assert.match(startPlugin({ abi: "0_3_0" }).problems[0] ?? "", /proxy_abi_version_0_3_0/);
  });

  it("names all imports that nobody serves at once", () => {
    const field = `(import "env" "proxy_a" (func)) (import "x" "b" (func (result i32)))`;
    const { problems } = startText(withImport({}, field));
    assert.match(problems[0] ?? "", /env\.proxy_a.*x\.b/);
  });

  it("refuses a module whose code is not loaded", () => {
    const host = createPluginHost({
      config: configWith([pluginConfig()]),
      modules: new Map(),
      roles: new FakeThread(),
      singletons: "here",
    });
    assert.deepEqual(host.start(), ['plugin "plugin": its module is not loaded']);
  });

  it("runs _initialize and then main", () => {
    const fixture = startPlugin({
      data: { 0: "initmain" },
      fields: `(func (export "_initialize") ${LOG(0, 4)})
        (func (export "main") (param i32 i32) (result i32) ${LOG(4, 4)} (i32.const 1))
        (func (export "__main_void") (result i32) unreachable)
        (func (export "_start") unreachable)`,
    });
    assert.deepEqual(fixture.problems, []);
    assert.deepEqual(logged(fixture.thread), ["init", "main"]);
  });

  it("runs __main_void when there is no main", () => {
    const fixture = startPlugin({
      data: { 0: "initmain" },
      fields: `(func (export "_initialize"))
        (func (export "__main_void") (result i32) ${LOG(4, 4)} (i32.const 0))`,
    });
    assert.deepEqual(logged(fixture.thread), ["main"]);
  });

  it("runs _start when there is no _initialize, and not main", () => {
    const fixture = startPlugin({
      data: { 0: "strt" },
      fields: `(func (export "_start") ${LOG(0, 4)})
        (func (export "main") (param i32 i32) (result i32) unreachable)`,
    });
    assert.deepEqual(fixture.problems, []);
    assert.deepEqual(logged(fixture.thread), ["strt"]);
  });

  it("takes proc_exit(0) in _start as the normal end, and any other code as a failure", () => {
    const start = (code: number) =>
      withImport(
        { fields: `(func (export "_start") (call $exit (i32.const ${code})))` },
        PROC_EXIT,
      );
    assert.deepEqual(startText(start(0)).problems, []);
    assert.match(startText(start(3)).problems[0] ?? "", /_start: proc_exit\(3\)/);
  });

  it("survives a start section that logs before the memory is known", () => {
    const fixture = startPlugin({
      data: { 0: "text" },
      fields: `(func $begin ${LOG(0, 4)}) (start $begin)`,
    });
    assert.deepEqual(fixture.problems, []);
    assert.deepEqual(fixture.thread.lines, []);
  });

  it("fails when the entry point traps, with the export's name", () => {
    const fixture = startPlugin({ fields: '(func (export "_initialize") unreachable)' });
    assert.match(fixture.problems[0] ?? "", /_initialize: unreachable/);
  });

  it("gives status codes, not traps, to stateful hostcalls in start-up", () => {
    const fixture = startPlugin({
      data: { 0: ":path" },
      fields: `(func (export "_initialize")
        (if (i32.ne (i32.const 2) (call $proxy_set_tick_period_milliseconds (i32.const 5)))
          (then unreachable))
        (if (i32.ne (i32.const 2) (call $proxy_get_header_map_value (i32.const 0)
            (i32.const 0) (i32.const 5) (i32.const 64) (i32.const 68))) (then unreachable))
        (if (i32.ne (i32.const 1) (call $proxy_done)) (then unreachable))
        (if (i32.ne (i32.const 1) (call $proxy_set_property (i32.const 0) (i32.const 5)
            (i32.const 0) (i32.const 5))) (then unreachable))
        (if (i32.ne (i32.const 1) (call $proxy_get_buffer_bytes (i32.const 7) (i32.const 0)
            (i32.const 9) (i32.const 64) (i32.const 68))) (then unreachable)))`,
    });
    assert.deepEqual(fixture.problems, []);
  });

  it("makes the memory that a module imports, as large as it declares", () => {
    for (const limits of ["3", "3 5"]) {
      const text = guestText({
        memory: "",
        imports: `(import "env" "memory" (memory ${limits}))`,
      });
      assert.deepEqual(startText(text).problems, [], limits);
    }
  });

  it("makes the table that a module imports", () => {
    for (const limits of ["4", "4 9"]) {
      const field = `(import "env" "__indirect_function_table" (table ${limits} funcref))`;
      assert.deepEqual(startText(withImport({}, field)).problems, [], limits);
    }
  });
});

describe("allocator of a guest", () => {
  const VALUE_CALL = `(call $proxy_get_header_map_value (i32.const 0) (i32.const 0)
    (i32.const 5) (i32.const 64) (i32.const 68))`;

  /** Runs proxy_get_header_map_value once and gives what it answered. */
  function statusWith(allocator: string): { status: number; failed: boolean; lines: string[] } {
    const fixture = startPlugin({
      allocator,
      data: { 0: ":path" },
      callbacks: { proxy_on_request_headers: VALUE_CALL },
    });
    assert.deepEqual(fixture.problems, []);
    const { stream, context } = fixture.open();
    const raw = context.onRequestHeaders(1, true);
    const failed = stream.calls.includes("failStream");
    return { status: raw, failed, lines: fixture.thread.lines };
  }

  const allocate = (name: string, body: string): string =>
    `(func (export "${name}") (param $n i32) (result i32) ${body})`;

  it("is required", () => {
    assert.match(startPlugin({ allocator: "" }).problems[0] ?? "", /no allocator/);
  });

  it("is proxy_on_memory_allocate when both are exported", () => {
    const both =
      allocate("malloc", "unreachable") + allocate("proxy_on_memory_allocate", "(i32.const 4096)");
    assert.deepEqual(statusWith(both).status, 0);
  });

  it("may be malloc alone", () => {
    assert.equal(statusWith(allocate("malloc", "(i32.const 4096)")).status, 0);
  });

  // Statuses above 4 come back through the headers callback as 4: InvalidMemoryAccess is 6.
  it("makes the hostcall fail when it returns 0 or a range outside the memory", () => {
    assert.equal(statusWith(allocate("malloc", "(i32.const 0)")).status, 4);
    assert.equal(statusWith(allocate("malloc", "(i32.const 65536)")).status, 4);
    assert.equal(statusWith(allocate("malloc", "(i32.const -1)")).failed, false);
  });

  it("may grow the memory", () => {
    const body = `(i32.mul (memory.grow (i32.const 1)) (i32.const 65536))`;
    assert.equal(statusWith(allocate("malloc", body)).status, 0);
  });

  it("kills the VM when it traps, and the report says where", () => {
    const { failed, lines } = statusWith(allocate("malloc", "unreachable"));
    assert.ok(failed);
    assert.match(lines.at(-1) ?? "", /the allocator, in proxy_on_request_headers: unreachable/);
  });

  it("cannot allocate through a hostcall itself", () => {
    const body = `(drop (call $proxy_get_property (i32.const 16) (i32.const 12) (i32.const 64)
      (i32.const 68))) (i32.const 4096)`;
    assert.equal(statusWith(allocate("malloc", body)).failed, false);
  });

  it("runs in the VM context, and the stream is current again afterwards", () => {
    const fixture = startPlugin({
      data: { 0: ":path" },
      allocator: allocate(
        "malloc",
        `(if (i32.ne (i32.const 2) (call $proxy_get_header_map_size (i32.const 0) (i32.const 64)))
          (then unreachable)) (i32.const 4096)`,
      ),
      callbacks: {
        proxy_on_request_headers: `(drop ${VALUE_CALL})
          (call $proxy_get_header_map_size (i32.const 0) (i32.const 64))`,
      },
    });
    assert.equal(fixture.open().context.onRequestHeaders(1, true), 0);
  });
});
