/** What `granary.await` answers, for each kind of token and each kind of misuse. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HeaderMap } from "../../../../src/http/header-map.ts";
import { SUSPENDED } from "../../../../src/vm/types.ts";
import { settled, slept, startCoroutines, WAYS, word } from "../../../harness/coroutine-guest.ts";
import { pluginConfig, startPlugin } from "../../../harness/plugin-fixture.ts";
import { CONTINUE, type Script } from "../../../harness/scripted-guest.ts";

const SAVE_HTTP = "(global.set $saved (call $http))";
const AWAIT_SAVED = "(call $await (global.get $saved))";
const STATUS_PARTS = "(i32.const 3056) (i32.const 3040) (i32.const 3044)";

/** Logs `<label> <status> <code>`, then `message <status> <text>` of proxy_get_status. */
function getStatus(script: Script): string {
  return `(call $out ${script.slice("message")} (call $proxy_get_status ${STATUS_PARTS}))
    ${script.note("code", "(i32.load (i32.const 3056))")}`;
}

for (const way of WAYS) {
  describe(`${way}: granary.await`, () => {
    test("gives the answer of an HTTP callout, readable on the spot", async () => {
      const fixture = await startCoroutines(way, (script) => ({
        proxy_on_request_headers: [
          SAVE_HTTP,
          script.status("status", AWAIT_SAVED),
          script.note("numbers", word(0), word(1)),
          script.note("trailers", word(2)),
          script.getHeader(6, ":status"),
          script.getHeader(7, "x-end"),
          script.getBuffer("body", 4),
          `(drop ${slept(5)})`,
          script.getBuffer("body after the next await", 4),
          script.status("again", AWAIT_SAVED),
          CONTINUE,
        ],
        proxy_on_http_call_response: [script.note("called back")],
      }));
      const { stream, status } = fixture.request();
      assert.equal(status, SUSPENDED);
      const trailers = HeaderMap.of([["x-end", "now"]]);
      fixture.thread.callouts.calls[0]?.reply("201", "hello", trailers);
      await settled();
      await fixture.pass(5);
      assert.deepEqual(fixture.said(), [
        "status 0",
        "numbers 2 5",
        "trailers 1 0",
        ":status 0 201",
        "x-end 0 now",
        "body 0 hello",
        "body after the next await 1",
        "again 2",
      ]);
      assert.deepEqual(stream.calls, ["settle 1 0"]);
    });

    test("gives three zeros for a callout that was reset", async () => {
      const fixture = await startCoroutines(way, (script) => ({
        proxy_on_request_headers: [
          SAVE_HTTP,
          script.status("status", AWAIT_SAVED),
          script.note("numbers", word(0), word(1)),
          getStatus(script),
          CONTINUE,
        ],
      }));
      fixture.request();
      fixture.thread.callouts.calls[0]?.events.onHttpFailure();
      await settled();
      assert.deepEqual(fixture.said(), ["status 0", "numbers 0 0", "message 0 reset", "code 11 0"]);
    });

    test("gives the answer and the failure of a gRPC call", async () => {
      const fixture = await startCoroutines(way, (script) => ({
        proxy_on_request_headers: [
          script.status("status", "(call $await (call $grpc))"),
          script.note("numbers", word(0), word(1)),
          script.getBuffer("message", 5),
          getStatus(script),
          CONTINUE,
        ],
      }));
      const { grpcCalls } = fixture.thread.callouts;
      fixture.request();
      grpcCalls[0]?.events.onGrpcMessage(Buffer.from("reply"));
      await settled();
      grpcCalls[0]?.events.onGrpcClose(0, "");
      await settled();
      const [first, numbers, message] = fixture.said();
      assert.deepEqual([first, numbers, message], ["status 0", "numbers 0 5", "message 0 reply"]);
      fixture.request();
      grpcCalls[1]?.events.onGrpcClose(7, "no way");
      await settled();
      const failed = fixture.said();
      assert.deepEqual(failed.slice(0, 2), ["status 0", "numbers 7 0"]);
      assert.deepEqual(failed.slice(-2), ["message 0 no way", "code 7 0"]);
    });

    test("takes an answer that came while something else was awaited", async () => {
      const fixture = await startCoroutines(way, (script) => ({
        proxy_on_request_headers: [
          SAVE_HTTP,
          script.status("second", "(call $await (call $http))"),
          script.getHeader(6, ":status"),
          script.status("first", AWAIT_SAVED),
          script.getHeader(6, ":status"),
          CONTINUE,
        ],
        proxy_on_http_call_response: [script.note("called back")],
      }));
      const { stream } = fixture.request();
      const { calls } = fixture.thread.callouts;
      calls[0]?.reply("201");
      await settled();
      assert.deepEqual(fixture.said(), []);
      calls[1]?.reply("202");
      await settled();
      assert.deepEqual(fixture.said(), ["second 0", ":status 0 202", "first 0", ":status 0 201"]);
      assert.deepEqual(stream.calls, ["settle 1 0"]);
    });

    test("leaves to the usual callback what nobody awaits", async () => {
      const fixture = await startCoroutines(way, (script) => ({
        proxy_on_request_headers: ["(drop (call $http))", `(drop ${slept(5)})`, CONTINUE],
        proxy_on_http_call_response: [script.note("called back"), script.getHeader(6, ":status")],
      }));
      fixture.request();
      fixture.thread.callouts.calls[0]?.reply("200");
      await settled();
      assert.deepEqual(fixture.said(), []);
      await fixture.pass(5);
      assert.deepEqual(fixture.said(), ["called back 1 0", ":status 0 200"]);
    });

    test("returns at once for a sleep that is over", async () => {
      const fixture = await startCoroutines(way, (script) => ({
        proxy_on_request_headers: [
          "(global.set $saved (call $sleep (i32.const 5)))",
          `(drop ${slept(10)})`,
          script.status("over", AWAIT_SAVED),
          script.status("twice", AWAIT_SAVED),
          script.status("none at all", slept(0)),
          CONTINUE,
        ],
      }));
      fixture.request();
      await fixture.pass(10);
      assert.deepEqual(fixture.said(), ["over 0", "twice 2", "none at all 0"]);
    });

    test("refuses what is no token", async () => {
      const short = `(call $proxy_call_foreign_function (i32.const 2913) (i32.const 13)
      (i32.const 3048) (i32.const 3) (i32.const 3040) (i32.const 3044))`;
      const fixture = await startCoroutines(way, (script) => ({
        proxy_on_request_headers: [
          script.status("zero", "(call $await (i32.const 0))"),
          script.status("unknown", "(call $await (i32.const 4000))"),
          script.status("unknown sleep", "(call $await (i32.const 4003))"),
          script.status("short", short),
          CONTINUE,
        ],
      }));
      assert.equal(fixture.request().status, 0);
      assert.deepEqual(fixture.said(), ["zero 2", "unknown 2", "unknown sleep 2", "short 2"]);
    });

    test("gives up when the time is over, and the callout with it", async () => {
      const { isolation } = pluginConfig();
      const fixture = await startCoroutines(
        way,
        (script) => ({
          proxy_on_request_headers: [
            SAVE_HTTP,
            script.status("late", AWAIT_SAVED),
            getStatus(script),
            script.status("long sleep", slept(200)),
            CONTINUE,
          ],
          proxy_on_http_call_response: [script.note("called back")],
        }),
        { isolation: { ...isolation, suspensionMsMax: 100 } },
      );
      const { thread } = fixture;
      const { stream } = fixture.request();
      await fixture.pass(100);
      const limit = "no answer within 100 ms";
      assert.deepEqual(fixture.said(), [
        `granary.await: ${limit}, in proxy_on_request_headers`,
        "late 10",
        `message 0 ${limit}`,
        "code 0 0",
      ]);
      assert.equal(thread.callouts.calls[0]?.cancelled, true);
      thread.callouts.calls[0]?.reply("200");
      await settled();
      await fixture.pass(100);
      assert.deepEqual(fixture.said().slice(1), ["long sleep 10"]);
      assert.deepEqual(stream.calls, ["settle 1 0"]);
      const late = thread.vmEventLines.filter((line) => line === "suspended too long plugin");
      assert.equal(late.length, 2);
    });

    test("takes the callout back when its stream ends", async () => {
      const fixture = await startCoroutines(way, (script) => ({
        proxy_on_request_headers: [SAVE_HTTP, script.status("status", AWAIT_SAVED), CONTINUE],
        proxy_on_http_call_response: [script.note("called back")],
      }));
      const { context } = fixture.request();
      context.onLog();
      context.onDestroy();
      await settled();
      const [call] = fixture.thread.callouts.calls;
      assert.equal(call?.cancelled, true);
      call?.reply("200");
      await settled();
      assert.deepEqual(fixture.said(), ["status 10"]);
    });

    test("is refused where nobody can wait", async () => {
      const fixture = await startCoroutines(way, (script) => ({
        proxy_on_configure: [script.status("configure", slept(5)), "(i32.const 1)"],
        proxy_on_request_headers: [CONTINUE],
        proxy_on_log: [script.status("log", slept(5))],
        proxy_on_done: [script.status("done", slept(5)), "(i32.const 1)"],
      }));
      const { context } = fixture.open();
      context.enter();
      context.onRequestHeaders(1, true);
      context.onLog();
      context.onDestroy();
      await settled();
      const said = fixture.said();
      const statuses = said.filter((line) => !line.startsWith("granary.await"));
      assert.deepEqual(statuses, ["configure 10", "log 10", "done 10"]);
      const hint = "granary.await: proxy_on_log cannot wait; await in another callback";
      assert.ok(said.includes(hint), said.join("\n"));
    });

    test("waits in a tick, whose timer begins at its end", async () => {
      const fixture = await startCoroutines(way, (script) => ({
        proxy_on_configure: [script.setTick(50), "(i32.const 1)"],
        proxy_on_tick: [
          script.note("tick"),
          script.status("slept", slept(120)),
          script.note("end"),
        ],
      }));

      await fixture.pass(50);
      assert.deepEqual(fixture.said(), ["tick 1 0"]);
      await fixture.pass(100);
      assert.deepEqual(fixture.said(), []);
      await fixture.pass(20);
      assert.deepEqual(fixture.said(), ["slept 0", "end 1 0"]);
      await fixture.pass(49);
      assert.deepEqual(fixture.said(), []);
      await fixture.pass(1);
      assert.deepEqual(fixture.said(), ["tick 1 0"]);
    });

    test("is an unknown function for plugins that did not ask for coroutines", async () => {
      const call = `(call $proxy_call_foreign_function (i32.const 16) (i32.const 13)
      (i32.const 3048) (i32.const 4) (i32.const 0) (i32.const 0))`;
      const { open } = startPlugin({
        data: { 16: "granary.await" },
        callbacks: {
          proxy_on_request_headers: `(if (i32.ne ${call} (i32.const 1)) (then (unreachable))) ${CONTINUE}`,
        },
      });
      const { context } = open();
      context.enter();
      assert.equal(context.onRequestHeaders(1, true), 0);
    });
  });
}
