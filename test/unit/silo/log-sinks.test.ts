import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { LogSink, LogSinks } from "../../../src/silo/log-sinks.ts";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "granary-sinks-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function append(sink: LogSink, text: string): void {
  const bytes = Buffer.from(`around${text}around`, "latin1");
  sink.append(bytes, 6, bytes.length - 6);
}

test("lines are gathered, up to 64 KiB, and stay in order, however long one is", () => {
  const path = join(directory, "a.log");
  const sink = new LogSink(`file:${path}`);
  const text = (): string => readFileSync(path, "latin1");
  append(sink, "a\xff\n");
  assert.equal(text(), "");
  const lines = ["b".repeat(40_000), "c".repeat(40_000), "d".repeat(200_000), "e"];
  for (const line of lines) append(sink, `${line}\n`);
  assert.equal(text(), `a\xff\n${lines.slice(0, 3).join("\n")}\n`);
  sink.flush();
  assert.equal(text(), `a\xff\n${lines.join("\n")}\n`);
});

test("what was gathered before a rotation goes to the old file", () => {
  const path = join(directory, "a.log");
  const sinks = new LogSinks();
  const write = (line: string): void =>
    sinks.append(`file:${path}`, Buffer.from(line, "latin1"), 0, line.length);
  write("old\n");
  renameSync(path, `${path}.1`);
  sinks.reopen();
  write("new\n");
  sinks.flush();
  assert.equal(readFileSync(`${path}.1`, "latin1"), "old\n");
  assert.equal(readFileSync(path, "latin1"), "new\n");
});

/** A pipe that takes three bytes a call, and nothing every other call. */
class LatePipe {
  taken = "";
  isStuck = false;
  calls = 0;

  readonly write = (_fd: number, bytes: Uint8Array, offset: number): number => {
    this.calls++;
    if (this.isStuck || this.calls % 2 === 0) throw Object.assign(new Error(), { code: "EAGAIN" });
    const some = Buffer.from(bytes).toString("latin1", offset, offset + 3);
    this.taken += some;
    return some.length;
  };
}

test("a pipe whose reader is late gets all; one that stands still is waited for once", () => {
  const pipe = new LatePipe();
  const sink = new LogSink("stdout", pipe.write);
  sink.write("a whole line\n");
  assert.equal(pipe.taken, "a whole line\n");
  pipe.isStuck = true;
  sink.write("lost\n");
  const before = pipe.calls;
  sink.write("lost too\n");
  assert.equal(pipe.calls, before + 1);
  pipe.isStuck = false;
  pipe.calls = 0;
  sink.write("back\n");
  assert.equal(pipe.taken, "a whole line\nback\n");
});
