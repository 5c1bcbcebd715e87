/** `granary.queue_options`. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Guest, inPhase } from "../guest.ts";
import { dequeue, enqueue, register } from "../queues.ts";

const PHASE = "proxy_on_request_headers";

function options(guest: Guest, queue: number, fields: readonly number[], itemsMax = 0): number {
  const args = Buffer.alloc(12);
  args.writeUInt32LE(queue);
  args.set(fields, 4);
  args.writeUInt32LE(itemsMax, 8);
  const name = guest.put("granary.queue_options");
  return guest.fetch("proxy_call_foreign_function", ...name, ...guest.put(args)).status;
}

describe("foreign function granary.queue_options", () => {
  it("bounds a queue, which drops its oldest item or refuses the new one", () => {
    const got = inPhase(PHASE, (guest) => {
      register(guest, "q");
      const fill = (): readonly number[] => ["a", "b", "c"].map((item) => enqueue(guest, 1, item));
      const statuses = [options(guest, 1, [0, 0], 2), ...fill()];
      const first = dequeue(guest, 1).text;
      statuses.push(options(guest, 1, [1, 1], 2), ...fill());
      return [statuses, first];
    });
    assert.deepEqual(got, [[0, 0, 0, 0, 0, 0, 10, 10], "b"]);
  });

  it("answers NotFound for no queue, and BadArgument for arguments it does not know", () => {
    const got = inPhase(PHASE, (guest) => {
      register(guest, "q");
      const name = guest.put("granary.queue_options");
      const short = guest.put(Buffer.alloc(11));
      return [
        options(guest, 2, [0, 0]),
        options(guest, 1, [2, 0]),
        options(guest, 1, [0, 2]),
        options(guest, 1, [0, 0, 1]),
        guest.fetch("proxy_call_foreign_function", ...name, ...short).status,
      ];
    });
    assert.deepEqual(got, [1, 2, 2, 2, 2]);
  });
});
