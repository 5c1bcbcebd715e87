import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import wabtFactory from "wabt";
import { inspectBytes, inspectModule } from "../../../src/main/inspect.ts";

const wabt = await wabtFactory();
const directory = mkdtempSync(join(tmpdir(), "granary-inspect-"));
after(() => rmSync(directory, { recursive: true }));

function wat(text: string): Uint8Array {
  return wabt.parseWat("test.wat", text).toBinary({ write_debug_names: true }).buffer;
}

function file(name: string, bytes: Uint8Array | string): string {
  const path = join(directory, name);
  writeFileSync(path, bytes);
  return path;
}

const SOUND = `(module
  (import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
  (import "env" "proxy_redis_init"
    (func (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "_initialize"))
  (func (export "main") (param i32 i32) (result i32) i32.const 0)
  (func (export "malloc") (param i32) (result i32) i32.const 0)
  (func (export "proxy_validate_configuration") (param i32 i32) (result i32) i32.const 1)
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) i32.const 0))`;

describe("granary inspect", () => {
  it("reports a filter that Granary can load, with aligned columns", () => {
    const path = file("sound.wasm", wat(SOUND));
    const { text, exitCode } = inspectModule(path);
    assert.equal(exitCode, 0);
    const lines = text.split("\n");
    assert.ok(lines.includes("ABI        0.2.1"), text);
    assert.ok(lines.includes("Memory     2 pages (128 KiB), no maximum"), text);
    assert.ok(lines.includes("Start-up   _initialize, then main"), text);
    assert.ok(lines.includes("Allocator  malloc"), text);
    assert.ok(lines.includes("Granary can load this module."), text);
    const rows = lines.filter((line) => /^ {2}(env|wasi_|MODULE)/.test(line));
    const [header = "", log = "", redis = "", write = ""] = rows;
    assert.match(log, /^ {2}env {21}proxy_log {9}\(i32, i32, i32\) -> i32 +served$/);
    assert.match(redis, /^ {2}env {21}proxy_redis_init {2}.* {2}links, answers Unimplemented$/);
    assert.match(write, /^ {2}wasi_snapshot_preview1 {2}fd_write {10}.* {2}served$/);
    const columns = [header.indexOf("HERE"), log.indexOf("served"), redis.indexOf("links,")];
    assert.equal(new Set([...columns, write.indexOf("served")]).size, 1);
  });

  it("tells what each export is for", () => {
    const { text } = inspectBytes("f", wat(SOUND));
    assert.match(text, /proxy_abi_version_0_2_1 +\(\) -> \(\) +ABI marker\n/);
    assert.match(text, /proxy_on_request_headers +\(i32, i32, i32\) -> i32 +callback\n/);
    assert.match(text, /proxy_validate_configuration .* never called\n/);
    assert.match(text, /malloc .* allocator\n/);
    assert.match(text, /memory +memory +memory\n/);
  });

  it("lists every reason why a module cannot be loaded, and exits 1", () => {
    const { text, exitCode } = inspectBytes("f", wat('(module (import "a" "b" (func)))'));
    assert.equal(exitCode, 1);
    assert.match(text, /a +b +\(\) -> \(\) +NOT KNOWN\n/);
    assert.match(text, /Granary cannot load this module:\n/);
    assert.match(text, / {2}- no Proxy-Wasm ABI marker/);
    assert.match(text, / {2}- imports that nobody serves: a\.b \(\) -> \(\)\n/);
    assert.match(text, / {2}- no allocator/);
    assert.match(text, /Exports: none\n/);
  });

  it("prints no control characters that a module's names contain", () => {
    const bytes = wat('(module (import "\\1b[2J" "\\0a\\e2\\80\\ae" (func)))');
    const { text } = inspectBytes("f", bytes);
    assert.match(text, /\\u\{1b\}\[2J +\\u\{a\}\\u\{202e\}/);
    assert.doesNotMatch(text, /[\u001b\u202e]/);
  });

  it("cuts names that would flood the terminal", () => {
    const { text } = inspectBytes("f", wat(`(module (import "a" "${"x".repeat(5_000)}" (func)))`));
    assert.ok(text.split("\n").every((line) => line.length < 400));
  });

  it("exits 1 for files that cannot be read or are no module", () => {
    const cases: readonly (readonly [string, RegExp])[] = [
      [join(directory, "absent.wasm"), /cannot read .*absent\.wasm.*ENOENT/],
      [directory, /is not a file/],
      [file("text.wasm", "hello"), /text\.wasm: not a WebAssembly file/],
      [file("cut.wasm", wat(SOUND).slice(0, 40)), /cut\.wasm: malformed/],
    ];
    for (const [path, message] of cases) {
      const { text, exitCode } = inspectModule(path);
      assert.equal(exitCode, 1);
      assert.match(text, message);
      assert.ok(text.startsWith("granary inspect: ") && text.endsWith("\n"));
    }
  });
});
