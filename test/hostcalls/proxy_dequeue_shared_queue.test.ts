import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ENDED_PHASES, inPhase, OUTSIDE_PTR, ROOT_PHASES } from "./guest.ts";
import { dequeue, enqueue, NO_QUEUES, register } from "./queues.ts";

const PHASE = "proxy_on_request_headers";

describe("proxy_dequeue_shared_queue works", () => {
  it("takes items out in their order, then answers Empty and writes nothing", () => {
    const got = inPhase(PHASE, (guest) => {
      register(guest, "q");
      enqueue(guest, 1, "first");
      enqueue(guest, 1, "second");
      const results = [dequeue(guest, 1), dequeue(guest, 1), dequeue(guest, 1)];
      return results.map(({ status, text }) => [status, text]);
    });
    assert.deepEqual(got, [
      [0, "first"],
      [0, "second"],
      [7, null],
    ]);
  });

  it("takes from a queue of another vm_id, whose number the guest knows", () => {
    const got = inPhase(PHASE, (guest) => {
      const { queues } = guest.thread.shared;
      const listener = { onQueueReady: () => undefined };
      const queue = queues.register(Buffer.from("other"), Buffer.from("q"), listener);
      queues.queues.enqueue(queue, Buffer.from("x".repeat(50_000)));
      return dequeue(guest, queue).len;
    });
    assert.equal(got, 50_000);
  });
});

describe("proxy_dequeue_shared_queue misuse", () => {
  it("answers NotFound for a number of no queue", () => {
    const got = inPhase(PHASE, (guest) => {
      register(guest, "q");
      return NO_QUEUES.map((queue) => dequeue(guest, queue).status);
    });
    assert.deepEqual(got, [1, 1, 1, 1, 1]);
  });

  it("answers InvalidMemoryAccess for an out-parameter outside, and the item stays", () => {
    const got = inPhase(PHASE, (guest) => {
      register(guest, "q");
      enqueue(guest, 1, "kept");
      return [
        guest.call("proxy_dequeue_shared_queue", 1, OUTSIDE_PTR, guest.out()),
        guest.call("proxy_dequeue_shared_queue", 1, guest.out(), OUTSIDE_PTR),
        dequeue(guest, 1).text,
      ];
    });
    assert.deepEqual(got, [6, 6, "kept"]);
  });

  it("answers InvalidMemoryAccess when the guest has no memory for the item", () => {
    const got = inPhase(PHASE, (guest) => {
      register(guest, "q");
      enqueue(guest, 1, "item");
      guest.allocate = () => 0;
      return dequeue(guest, 1).status;
    });
    assert.equal(got, 6);
  });
});

describe("proxy_dequeue_shared_queue in every phase", () => {
  for (const phase of [...ROOT_PHASES, ...ENDED_PHASES]) {
    it(`works in ${phase}`, () => {
      const got = inPhase(phase, (guest) => {
        const { queues } = guest.thread.shared;
        const listener = { onQueueReady: () => undefined };
        queues.register(Buffer.from("other"), Buffer.from("q"), listener);
        queues.queues.enqueue(1, Buffer.from("x"));
        return [dequeue(guest, 1).text, dequeue(guest, 1).status];
      });
      assert.deepEqual(got, ["x", 7]);
    });
  }
});
