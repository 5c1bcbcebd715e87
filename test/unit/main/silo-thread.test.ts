import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { setLogLevel } from "../../../src/base/log.ts";
import { heapCollector } from "../../../src/main/heap-sweep.ts";
import { SiloThread } from "../../../src/main/silo-thread.ts";
import { fakePlan } from "./fixtures/sockets.ts";

setLogLevel("off");

const ENTRY = new URL("./fixtures/fake-silo.js", import.meta.url);

function spawn(t: TestContext): SiloThread {
  const silo = SiloThread.spawn(ENTRY, fakePlan(0, ""), () => undefined);
  t.after(() => silo.kill());
  return silo;
}

describe("a control call", () => {
  it("leaves nothing behind while its silo lives", async (t) => {
    const silo = spawn(t);
    const collect = heapCollector() ?? assert.fail("V8 hands its collector out");
    const answers: WeakRef<object>[] = [];
    for (let call = 0; call < 20; call++) {
      const answer = await silo.call(() => Promise.resolve({ call }));
      answers.push(new WeakRef(answer ?? assert.fail("the silo lives")));
    }
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    // The last one may still be held by this function.
    assert.deepEqual(
      answers.slice(0, -1).filter((each) => each.deref() !== undefined),
      [],
    );
  });

  it("is null when the silo ends before it answers, when it fails, and afterwards", async (t) => {
    const silo = spawn(t);
    assert.equal(await silo.call(() => Promise.reject(new Error("no"))), null);
    const unanswered = silo.call(() => new Promise<string>(() => undefined));
    silo.kill();
    assert.equal(await unanswered, null);
    await silo.ended;
    assert.equal(await silo.call(() => Promise.resolve("late")), null);
  });
});
