import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LIMITS } from "../../src/base/limits.ts";
import { ENDED_PHASES, inPhase, OUTSIDE, ROOT_PHASES } from "./guest.ts";
import { dequeue, enqueue, NO_QUEUES, register } from "./queues.ts";

const PHASE = "proxy_on_request_headers";

describe("proxy_enqueue_shared_queue works", () => {
  it("appends a copy of any bytes", () => {
    const got = inPhase(PHASE, (guest) => {
      register(guest, "q");
      const slice = guest.put("a\0\xff");
      const status = guest.call("proxy_enqueue_shared_queue", 1, ...slice);
      guest.vm.memory.writeLatin1(slice[0], "XXX");
      enqueue(guest, 1, "");
      return [status, dequeue(guest, 1).text, dequeue(guest, 1)];
    });
    assert.deepEqual(got, [0, "a\0\xff", { status: 0, ptr: 0, len: 0, text: "" }]);
  });
});

describe("proxy_enqueue_shared_queue misuse", () => {
  it("answers NotFound for a number of no queue", () => {
    const got = inPhase(PHASE, (guest) => {
      register(guest, "q");
      return NO_QUEUES.map((queue) => enqueue(guest, queue, "x"));
    });
    assert.deepEqual(got, [1, 1, 1, 1, 1]);
  });

  it("answers InvalidMemoryAccess for data outside the memory", () => {
    const got = inPhase(PHASE, (guest) => {
      register(guest, "q");
      return [guest.call("proxy_enqueue_shared_queue", 1, ...OUTSIDE), dequeue(guest, 1).status];
    });
    assert.deepEqual(got, [6, 7]);
  });

  it("answers InternalFailure for an item over the limit, and says so once", () => {
    const got = inPhase(PHASE, (guest) => {
      register(guest, "q");
      guest.grow(1 + LIMITS.sharedQueueItemBytes / 65_536);
      const call = (): number =>
        guest.call("proxy_enqueue_shared_queue", 1, 0, LIMITS.sharedQueueItemBytes + 1);
      const statuses = [call(), call()];
      const lines = guest.thread.lines.filter((line) => line.includes("shared queues"));
      return [statuses, lines.length];
    });
    assert.deepEqual(got, [[10, 10], 1]);
  });
});

describe("proxy_enqueue_shared_queue in every phase", () => {
  for (const phase of [...ROOT_PHASES, ...ENDED_PHASES]) {
    it(`works in ${phase}`, () => {
      const got = inPhase(phase, (guest) => {
        const listener = { onQueueReady: () => undefined };
        guest.thread.shared.queues.register(Buffer.from("o"), Buffer.from("q"), listener);
        return [enqueue(guest, 1, "x"), dequeue(guest, 1).text];
      });
      assert.deepEqual(got, [0, "x"]);
    });
  }
});
