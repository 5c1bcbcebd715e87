import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeStream } from "../../harness/fake-roles.ts";
import { prng } from "../../harness/prng.ts";
import { callWire } from "../../hostcalls/callout-args.ts";
import { Guest } from "../../hostcalls/guest.ts";

const COUNT = 10_000;

/** A guest whose streams pause and ask, and go on when their own answer is there. */
function asking(): { readonly guest: Guest; readonly streams: FakeStream[] } {
  const guest = new Guest();
  const contextOf = new Map<number, number>();
  let wire: ReturnType<typeof callWire> = [];
  let out = 0;
  guest.on("proxy_on_configure", (inner) => {
    wire = callWire(inner);
    out = inner.out();
    return 1;
  });
  guest.on("proxy_on_request_headers", (inner, [context = 0]) => {
    assert.equal(inner.call("proxy_http_call", ...wire, out), 0);
    contextOf.set(inner.u32(out), context);
    return 1;
  });
  guest.on("proxy_on_http_call_response", (inner, [, id = 0]) => {
    assert.equal(inner.call("proxy_set_effective_context", contextOf.get(id) ?? 0), 0);
    assert.equal(inner.call("proxy_continue_stream", 0), 0);
    return undefined;
  });
  guest.start();
  const streams = Array.from({ length: COUNT }, () => new FakeStream());
  for (const stream of streams) guest.open(stream).onRequestHeaders(1, true);
  return { guest, streams };
}

describe("ten thousand paused streams", () => {
  it("go on each exactly once, in whatever order their answers come", () => {
    const { guest, streams } = asking();
    const { calls } = guest.thread.callouts;
    assert.equal(calls.length, COUNT);
    assert.equal(guest.vm.callouts.count, COUNT);
    assert.equal(guest.thread.timers.pendingCount, 0);
    assert.ok(streams.every((stream) => stream.calls.length === 0));
    const random = prng(5);
    const order = calls.map((call) => ({ call, at: random() })).sort((a, b) => a.at - b.at);
    for (const { call } of order) call.reply("200");
    assert.ok(streams.every((stream) => stream.calls.join() === "continueRequest"));
    assert.equal(guest.vm.callouts.count, 0);
    // A second answer is no answer.
    for (const { call } of order) call.reply("200");
    assert.ok(streams.every((stream) => stream.calls.length === 1));
  });

  it("are all failed when their VM dies, and their callouts given up", () => {
    const { guest, streams } = asking();
    guest.on("proxy_on_http_call_response", () => {
      throw new Error("trap");
    });
    const { calls } = guest.thread.callouts;
    calls[COUNT / 2]?.reply("200");
    assert.ok(streams.every((stream) => stream.calls.join() === "failStream"));
    assert.equal(calls.filter(({ cancelled }) => cancelled).length, COUNT - 1);
  });
});
