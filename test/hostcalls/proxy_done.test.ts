import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ENDED_PHASES, Guest, inPhase, type Phase, ROOT_PHASES } from "./guest.ts";

const done = (guest: Guest): number => guest.call("proxy_done");

/** A plugin that is being removed and is not done yet; `log` tells what happens to it. */
function draining(): { readonly guest: Guest; readonly log: string[] } {
  const log: string[] = [];
  const guest = new Guest()
    .on("proxy_on_done", () => 0)
    .on("proxy_on_delete", () => {
      log.push("delete");
      return undefined;
    })
    .start();
  guest.root.setTick(10);
  guest.root.finish(() => log.push("gone"));
  return { guest, log };
}

describe("proxy_done works", () => {
  it("deletes a root that had said not yet, after the callback", () => {
    const { guest, log } = draining();
    assert.equal(log.length, 0);
    guest.on("tick", (inner) => {
      log.push(`done ${done(inner)}`);
      return undefined;
    });
    guest.thread.timers.advance(10);
    assert.deepEqual(log, ["done 0", "delete", "gone"]);
    assert.equal(guest.thread.timers.pendingCount, 0);
  });
});

describe("proxy_done misuse", () => {
  it("deletes once when called twice", () => {
    const { guest, log } = draining();
    guest.on("tick", (inner) => {
      done(inner);
      done(inner);
      return undefined;
    });
    guest.thread.timers.advance(10);
    assert.deepEqual(log, ["delete", "gone"]);
  });
});

describe("proxy_done in the wrong phase", () => {
  const phases: readonly Phase[] = [...ROOT_PHASES, "proxy_on_request_headers", ...ENDED_PHASES];
  for (const phase of phases) {
    it(`answers NotFound in ${phase}, where nobody waits for it`, () => {
      assert.equal(inPhase(phase, done), 1);
    });
  }
});

describe("proxy_done edges", () => {
  it("is not needed by a root that is done at once", () => {
    const log: string[] = [];
    const guest = new Guest().start();
    guest.root.finish(() => log.push("gone"));
    assert.deepEqual(log, ["gone"]);
  });
});
