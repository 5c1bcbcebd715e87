import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LIMITS } from "../../src/base/limits.ts";
import { turn } from "../harness/threads.ts";
import { ENDED_PHASES, Guest, inPhase, OUTSIDE, OUTSIDE_PTR, ROOT_PHASES } from "./guest.ts";
import { dequeue, enqueue, register } from "./queues.ts";

const PHASE = "proxy_on_request_headers";

describe("proxy_register_shared_queue works", () => {
  it("numbers queues from 1 on, and a name always alike", () => {
    const got = inPhase(PHASE, (guest) => ["a", "b", "a", ""].map((name) => register(guest, name)));
    assert.deepEqual(got, [
      [0, 1],
      [0, 2],
      [0, 1],
      [0, 3],
    ]);
  });

  it("keeps what lies in the queue", () => {
    const got = inPhase(PHASE, (guest) => {
      register(guest, "q");
      enqueue(guest, 1, "item");
      register(guest, "q");
      return dequeue(guest, 1).text;
    });
    assert.equal(got, "item");
  });

  it("calls proxy_on_queue_ready on the plugin once per item, after the call", async () => {
    const guest = new Guest();
    const ready: (readonly number[])[] = [];
    guest.on("proxy_on_vm_start", (inner) => void register(inner, "q") as undefined);
    guest.on("proxy_on_queue_ready", (inner, wire) => {
      ready.push([...wire.slice(0, 2), dequeue(inner, wire[1] ?? 0).len]);
      return undefined;
    });
    guest.start();
    const { queues } = guest.thread.shared;
    queues.listen();
    queues.queues.enqueue(1, Buffer.from("a"));
    queues.queues.enqueue(1, Buffer.from("bcd"));
    assert.deepEqual(ready, []);
    for (let i = 0; i < 4; i++) await turn();
    assert.deepEqual(ready, [
      [guest.root.id, 1, 1],
      [guest.root.id, 1, 3],
    ]);
    queues.close();
  });

  it("tells a plugin that has ended nothing, and the item stays", async () => {
    const guest = new Guest();
    let calls = 0;
    guest.on("proxy_on_vm_start", (inner) => void register(inner, "q") as undefined);
    guest.on("proxy_on_queue_ready", () => {
      calls++;
      return undefined;
    });
    guest.start();
    guest.root.finish(() => undefined);
    const { queues } = guest.thread.shared;
    queues.listen();
    queues.queues.enqueue(1, Buffer.from("a"));
    for (let i = 0; i < 4; i++) await turn();
    assert.deepEqual([calls, queues.queues.dequeue(1)], [0, 0]);
    queues.close();
  });
});

describe("proxy_register_shared_queue misuse", () => {
  it("answers InvalidMemoryAccess for a name or an out-parameter outside the memory", () => {
    const got = inPhase(PHASE, (guest) => [
      guest.call("proxy_register_shared_queue", ...OUTSIDE, guest.out()),
      guest.call("proxy_register_shared_queue", ...guest.put("q"), OUTSIDE_PTR),
    ]);
    assert.deepEqual(got, [6, 6]);
  });

  it("answers InternalFailure when there are as many queues as may be", () => {
    const got = inPhase(PHASE, (guest) => {
      const { queues } = guest.thread.shared;
      for (let i = 0; i < LIMITS.sharedQueuesCount; i++) {
        const listener = { onQueueReady: () => undefined };
        queues.register(Buffer.from("other"), Buffer.from(`q${i}`), listener);
      }
      return register(guest, "one more");
    });
    assert.deepEqual(got, [10, null]);
  });
});

describe("proxy_register_shared_queue in every phase", () => {
  for (const phase of [...ROOT_PHASES, ...ENDED_PHASES]) {
    // In start-up there is no plugin yet that could be told.
    const expected = phase === "startUp" ? [2, null] : [0, 1];
    it(`answers ${expected[0]} in ${phase}`, () => {
      assert.deepEqual(
        inPhase(phase, (guest) => register(guest, "q")),
        expected,
      );
    });
  }
});
