/** One stream whose guest stops in the middle of a callback. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SUSPENDED } from "../../../../src/vm/types.ts";
import { slept, startCoroutines, WAYS } from "../../../harness/coroutine-guest.ts";
import {
  A,
  B,
  type Callbacks,
  CONTINUE,
  type Script,
  STOP,
  TRAP,
} from "../../../harness/scripted-guest.ts";

function sleepsTwice(script: Script): Callbacks {
  return {
    proxy_on_request_headers: [
      script.note("begun", A, B),
      script.status("slept", slept(10)),
      script.note("between"),
      script.status("slept again", slept(20)),
      script.add(0, "x-late", "yes"),
      script.note("done", A, B),
      STOP,
    ],
  };
}

for (const way of WAYS) {
  describe(`${way}: a suspended call`, () => {
    test("goes on where it was, with its parameters, and settles its stream once", async () => {
      const fixture = await startCoroutines(way, sleepsTwice);
      const { thread, open, said, pass } = fixture;
      const { stream, context } = open();
      context.enter();
      assert.equal(context.onRequestHeaders(7, true), SUSPENDED);
      assert.deepEqual(said(), ["begun 7 1"]);
      await pass(9);
      assert.deepEqual(said(), []);
      await pass(1);
      assert.deepEqual(said(), ["slept 0", "between 2 0"]);
      assert.deepEqual(stream.calls, []);
      await pass(20);
      assert.deepEqual(said(), ["slept again 0", "done 7 1"]);
      assert.deepEqual(stream.calls, ["changed 0", "settle 1 4"]);
      assert.equal(stream.maps[0]?.get("x-late"), "yes");
      assert.equal(thread.timers.pendingCount, 0);
      // Time passes on this thread's clock while it is suspended, and only then.
      assert.equal(fixture.host.report()[0]?.plugins[0]?.timeMs, 0);
      assert.deepEqual(thread.vmEventLines, ["created", "suspended plugin"]);
    });

    test("has the effects it asked for at its end, not before", async () => {
      const { open, pass } = await startCoroutines(way, (script) => ({
        proxy_on_request_headers: [
          script.resume(1),
          `(drop ${slept(5)})`,
          script.reply(403, "no"),
          CONTINUE,
        ],
      }));
      const { stream, context } = open();
      context.enter();
      assert.equal(context.onRequestHeaders(1, true), SUSPENDED);
      assert.deepEqual(stream.calls, []);
      await pass(5);
      // A local reply stops the callback that sent it.
      assert.deepEqual(stream.calls, ["continueResponse", "localReply", "settle 1 4"]);
    });

    test("that traps fails its VM, and its stream by the plugin's policy", async () => {
      const traps = (script: Script): Callbacks => ({
        proxy_on_request_headers: [script.reply(403, "no"), `(drop ${slept(5)})`, TRAP],
      });
      for (const policy of ["closed", "open"] as const) {
        const { thread, open, pass } = await startCoroutines(way, traps, { failurePolicy: policy });
        const { stream, context } = open();
        context.enter();
        assert.equal(context.onRequestHeaders(1, true), SUSPENDED);
        await pass(5);
        const expected = policy === "open" ? ["settle 1 0"] : ["failStream", "settle 1 4"];
        assert.deepEqual(stream.calls, expected);
        assert.ok(thread.vmEventLines.includes("failed plugin trap"));
        assert.match(thread.lines.join("\n"), /failed in proxy_on_request_headers: unreachable/);
      }
    });

    // With JSPI there is no such limit but the engine's own.
    const skip = way === "JSPI";
    test("whose frames do not fit is a clear failure", { skip }, async () => {
      const deep = `(func $deep (param $n i32) (result i32)
      (if (result i32) (local.get $n)
        (then (i32.add (local.get $n) (call $deep (i32.sub (local.get $n) (i32.const 1)))))
        (else ${slept(5)})))`;
      const { thread, open, pass } = await startCoroutines(
        way,
        () => ({ proxy_on_request_headers: [`(call $deep ${A})`] }),
        {},
        { fields: deep },
      );
      const shallow = open();
      shallow.context.enter();
      assert.equal(shallow.context.onRequestHeaders(100, true), SUSPENDED);
      await pass(5);
      // 100 + 99 + ... + 1, as a status: all of it stops.
      assert.deepEqual(shallow.stream.calls, ["settle 1 4"]);
      const { stream, context } = open();
      context.enter();
      assert.equal(context.onRequestHeaders(10_000, true), 4);
      assert.deepEqual(stream.calls, ["failStream"]);
      assert.match(thread.lines.join("\n"), /its frames take more than 32768 bytes/);
    });
  });
}
