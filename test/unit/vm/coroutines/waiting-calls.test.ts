/** What comes for a VM while one of its calls is suspended. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SUSPENDED } from "../../../../src/vm/types.ts";
import { settled, slept, startCoroutines, WAYS } from "../../../harness/coroutine-guest.ts";
import { FakeStream } from "../../../harness/fake-roles.ts";
import { pluginConfig } from "../../../harness/plugin-fixture.ts";
import {
  A,
  B,
  type Callbacks,
  CONTINUE,
  CTX,
  type Script,
  STOP,
  TRAP,
} from "../../../harness/scripted-guest.ts";

/** Request headers: sleeps as many milliseconds as there are headers; none: does not sleep. */
function sleepsByCount(script: Script): Callbacks {
  return {
    proxy_on_context_create: [script.note("create")],
    proxy_on_request_headers: [
      script.note("headers"),
      `(if ${A} (then ${script.status("slept", slept(A))}))`,
      script.note("passed"),
      CONTINUE,
    ],
    proxy_on_request_body: [script.note("body", CTX, A), STOP],
    proxy_on_response_headers: [script.note("response"), CONTINUE],
    proxy_on_log: [script.note("log")],
    proxy_on_done: [script.note("done"), "(i32.const 1)"],
    proxy_on_delete: [script.note("delete")],
  };
}

for (const way of WAYS) {
  describe(`${way}: while a call is suspended`, () => {
    test("callbacks of other streams wait and run in order, until one is suspended again", async () => {
      const fixture = await startCoroutines(way, sleepsByCount);
      const { said } = fixture;
      said();
      const first = fixture.request(10);
      const second = fixture.request(20);
      const third = fixture.request(0);
      assert.deepEqual([first.status, second.status, third.status], [5, SUSPENDED, SUSPENDED]);
      assert.deepEqual(said(), ["create 2 0", "headers 2 0"]);
      await fixture.pass(10);
      assert.deepEqual(said(), ["slept 0", "passed 2 0", "create 3 0", "headers 3 0"]);
      assert.deepEqual(first.stream.calls, ["settle 1 0"]);
      assert.deepEqual(second.stream.calls, []);
      await fixture.pass(20);
      assert.deepEqual(said(), [
        "slept 0",
        "passed 3 0",
        "create 4 0",
        "headers 4 0",
        "passed 4 0",
      ]);
      assert.deepEqual(second.stream.calls, ["settle 1 0"]);
      assert.deepEqual(third.stream.calls, ["settle 1 0"]);
      assert.equal(third.context.onRequestBody(3, true), 1);
    });

    test("a stream that ends hears of its end when the VM is free, and of nothing else", async () => {
      const fixture = await startCoroutines(way, sleepsByCount);
      fixture.said();
      fixture.request(10);
      const gone = fixture.request(0);
      gone.context.onLog();
      gone.context.onDestroy();
      const last = fixture.request(0);
      fixture.said();
      await fixture.pass(10);
      assert.deepEqual(fixture.said().slice(2), [
        "create 3 0",
        "log 3 0",
        "done 3 0",
        "delete 3 0",
        "create 4 0",
        "headers 4 0",
        "passed 4 0",
      ]);
      assert.deepEqual(gone.stream.calls, []);
      assert.deepEqual(last.stream.calls, ["settle 1 0"]);
      assert.equal(fixture.host.report()[0]?.plugins[0]?.streams, 2);
    });

    test("the end of its own stream lets it go on, with a failure and without effects", async () => {
      const fixture = await startCoroutines(way, (script) => ({
        proxy_on_request_headers: [
          script.status("slept", slept(10)),
          script.status("again", slept(10)),
          script.add(0, "x-late", "yes"),
          script.reply(403, "no"),
          script.resume(1),
          CONTINUE,
        ],
        proxy_on_log: [script.note("log")],
        proxy_on_done: [script.note("done"), "(i32.const 1)"],
        proxy_on_delete: [script.note("delete")],
      }));
      const { stream, context } = fixture.request(1);
      stream.writableMaps.clear();
      context.onLog();
      context.onDestroy();
      await settled();
      assert.deepEqual(fixture.said(), [
        "slept 10",
        "again 10",
        "proxy_add_header_map_value: header map 0 cannot be changed in proxy_on_request_headers",
        "log 2 0",
        "done 2 0",
        "delete 2 0",
      ]);
      // The chain passes over what settles after its end.
      assert.deepEqual(stream.calls, ["settle 1 0"]);
      assert.equal(fixture.thread.timers.pendingCount, 0);
      assert.equal(fixture.request(1).status, SUSPENDED);
    });

    test("one tick waits, and answers of callouts do in their order", async () => {
      const fixture = await startCoroutines(way, (script) => ({
        proxy_on_configure: [script.setTick(10), "(i32.const 1)"],
        proxy_on_tick: [script.note("tick")],
        proxy_on_request_headers: [
          "(drop (call $http))",
          "(drop (call $http))",
          script.status("slept", slept(100)),
          CONTINUE,
        ],
        proxy_on_http_call_response: [script.getHeader(6, ":status")],
      }));
      fixture.request(1);
      const { callouts } = fixture.thread;
      await fixture.pass(50);
      callouts.calls[1]?.reply("202");
      await settled();
      callouts.calls[0]?.reply("201");
      await settled();
      await fixture.pass(49);
      assert.deepEqual(fixture.said(), []);
      await fixture.pass(1);
      assert.deepEqual(fixture.said(), ["slept 0", "tick 1 0", ":status 0 202", ":status 0 201"]);
      await fixture.pass(10);
      assert.deepEqual(fixture.said(), ["tick 1 0"]);
    });

    test("connections wait, too: what came last is what their callback sees", async () => {
      const fixture = await startCoroutines(way, (script) => ({
        proxy_on_configure: [script.setTick(10), "(i32.const 1)"],
        proxy_on_tick: [script.status("slept", slept(50))],
        proxy_on_new_connection: [script.note("new"), CONTINUE],
        proxy_on_downstream_data: [script.note("data", A, B), CONTINUE],
        proxy_on_downstream_connection_close: [script.note("closed")],
        proxy_on_delete: [script.note("delete")],
      }));
      await fixture.pass(10);
      const stream = new FakeStream();
      stream.kind = "tcp";
      const connection = fixture.plugin.createConnection(stream);
      assert.equal(connection?.onNewConnection(), 1);
      assert.equal(connection?.onDownstreamData(3, false), 1);
      assert.equal(connection?.onDownstreamData(8, true), 1);
      await fixture.pass(50);
      assert.deepEqual(fixture.said(), ["slept 0", "new 2 0", "data 8 1"]);
      assert.deepEqual(stream.calls, ["continueRequest", "continueRequest"]);
      await fixture.pass(10);
      connection?.onDownstreamClose(2);
      connection?.onDestroy();
      assert.deepEqual(fixture.said(), []);
      await fixture.pass(50);
      assert.deepEqual(fixture.said(), ["slept 0", "closed 2 0", "delete 2 0"]);
    });

    test("more callbacks than may wait get the plugin's policy", async () => {
      const { isolation } = pluginConfig();
      const limits = { isolation: { ...isolation, waitingCallsMax: 2 } };
      for (const failurePolicy of ["closed", "open"] as const) {
        const fixture = await startCoroutines(way, sleepsByCount, { ...limits, failurePolicy });
        const [, , third, fourth] = [10, 0, 0, 0].map((count) => fixture.request(count));
        assert.equal(third?.status, SUSPENDED);
        assert.equal(fourth?.status, failurePolicy === "open" ? 0 : 4);
        assert.deepEqual(fourth?.stream.calls, failurePolicy === "open" ? [] : ["failStream"]);
        assert.ok(fixture.thread.vmEventLines.includes("wait refused plugin"));
        await fixture.pass(10);
        assert.deepEqual(third?.stream.calls, ["settle 1 0"]);
        assert.equal(fixture.request(0).status, 0);
      }
    });

    test("a trap settles all that wait, by the plugin's policy", async () => {
      for (const failurePolicy of ["closed", "open"] as const) {
        const fixture = await startCoroutines(
          way,
          (script) => ({
            ...sleepsByCount(script),
            proxy_on_request_headers: [`(drop ${slept(A)})`, TRAP],
          }),
          { failurePolicy },
        );
        const streams = [10, 20, 0].map((count) => fixture.request(count));
        const ended = streams[2];
        ended?.context.onLog();
        ended?.context.onDestroy();
        await fixture.pass(10);
        const expected = failurePolicy === "open" ? ["settle 1 0"] : ["failStream", "settle 1 4"];
        assert.deepEqual(streams[0]?.stream.calls, expected);
        assert.deepEqual(streams[1]?.stream.calls, expected);
        assert.deepEqual(ended?.stream.calls, []);
        assert.equal(fixture.host.report()[0]?.plugins[0]?.streams, 2);
        // The next VM is made at once and is free.
        assert.equal(fixture.request(5).status, SUSPENDED);
      }
    });

    test("a trap in a waiting callback does the same to those behind it", async () => {
      const fixture = await startCoroutines(way, (script) => ({
        proxy_on_request_headers: [
          `(if (i32.eq ${A} (i32.const 7)) (then ${TRAP}))`,
          `(if ${A} (then ${script.status("slept", slept(A))}))`,
          CONTINUE,
        ],
      }));
      const streams = [10, 7, 0].map((count) => fixture.request(count).stream.calls);
      await fixture.pass(10);
      assert.deepEqual(streams, [
        ["settle 1 0"],
        ["failStream", "settle 1 4"],
        ["failStream", "settle 1 4"],
      ]);
    });

    test("the end of the plugin waits for it, up to its grace", async () => {
      const fixture = await startCoroutines(way, sleepsByCount);
      fixture.request(10);
      fixture.said();
      let ended = 0;
      fixture.host.stop(100, () => {
        ended++;
      });
      assert.equal(ended, 0);
      await fixture.pass(10);
      assert.deepEqual(fixture.said(), ["slept 0", "passed 2 0", "done 1 0", "delete 1 0"]);
      assert.equal(ended, 1);

      const endless = await startCoroutines(way, sleepsByCount);
      const { stream } = endless.request(1_000);
      endless.host.stop(100, () => {
        ended++;
      });
      await endless.pass(100);
      assert.equal(ended, 2);
      assert.deepEqual(stream.calls, ["failStream", "settle 1 4"]);
      await endless.pass(1_000);
      assert.equal(stream.calls.length, 2);
    });

    test("a plugin that is replaced serves its suspended streams to their end", async () => {
      const fixture = await startCoroutines(way, sleepsByCount);
      const { stream, context } = fixture.request(10);
      fixture.host.retain([]);
      await fixture.pass(10);
      assert.deepEqual(stream.calls, ["settle 1 0"]);
      fixture.said();
      context.onLog();
      context.onDestroy();
      await settled();
      await fixture.pass(0);
      assert.deepEqual(fixture.said(), [
        "log 2 0",
        "done 2 0",
        "delete 2 0",
        "done 1 0",
        "delete 1 0",
      ]);
      assert.equal(fixture.host.vmCount, 0);
    });
  });
}
