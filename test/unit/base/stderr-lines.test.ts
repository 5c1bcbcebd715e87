import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LineWriter } from "../../../src/base/stderr-lines.ts";

/** A pipe with `room` bytes left; `meanwhile` is what its reader does in each wait. */
function rig(room: number, meanwhile: (pipe: { room: number }) => void = () => {}) {
  const pipe = { room, text: "", waits: 0, broken: false };
  const write = (bytes: Uint8Array): number => {
    if (pipe.broken) throw Object.assign(new Error("no reader"), { code: "EPIPE" });
    if (pipe.room === 0) throw Object.assign(new Error("full"), { code: "EAGAIN" });
    const taken = Math.min(pipe.room, bytes.byteLength);
    pipe.room -= taken;
    pipe.text += Buffer.from(bytes.subarray(0, taken)).toString();
    return taken;
  };
  const lines = new LineWriter(write, () => {
    pipe.waits++;
    meanwhile(pipe);
  });
  return { pipe, lines };
}

describe("lines on stderr", () => {
  it("arrive whole though the pipe takes them in parts", () => {
    const { pipe, lines } = rig(4, (own) => {
      own.room = 4;
    });
    lines.line("first line\n");
    lines.line("second line\n");
    assert.equal(pipe.text, "first line\nsecond line\n");
  });

  it("are waited for once where nobody reads, not one by one", () => {
    const { pipe, lines } = rig(0);
    lines.line("one\n");
    const { waits } = pipe;
    assert.ok(waits > 0 && waits <= 100, `${waits} waits`);
    for (let i = 0; i < 1_000; i++) lines.line("more\n");
    assert.equal(pipe.waits, waits);
    assert.equal(pipe.text, "");
  });

  it("tell how many were lost when there is a reader again", () => {
    const { pipe, lines } = rig(0);
    for (let i = 0; i < 3; i++) lines.line("lost\n");
    pipe.room = 1_000;
    lines.line("heard\n");
    lines.line("too\n");
    assert.equal(pipe.text, "3 log line(s) lost: nobody read them\nheard\ntoo\n");
    const { waits } = pipe;
    pipe.room = 0;
    lines.line("waited for again\n");
    assert.ok(pipe.waits > waits);
  });

  it("never run into a line that was cut", () => {
    const { pipe, lines } = rig(3);
    lines.line("cut here\n");
    lines.line("lost\n");
    pipe.room = 1_000;
    lines.line("whole\n");
    assert.equal(pipe.text, "cut\n2 log line(s) lost: nobody read them\nwhole\n");
  });

  it("are given up at once where the reader is gone", () => {
    const { pipe, lines } = rig(10);
    pipe.broken = true;
    lines.line("nobody\n");
    assert.equal(pipe.waits, 0);
  });
});
