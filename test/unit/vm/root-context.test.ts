import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { startPlugin } from "../../harness/plugin-fixture.ts";

/** Logs one character: '0' + the low digit of a number. */
const say = (value: string): string => `(call $say ${value})`;
const SAY = `(func $say (param i32)
  (i32.store8 (i32.const 16) (i32.add (i32.const 48) (local.get 0)))
  (drop (call $proxy_log (i32.const 2) (i32.const 16) (i32.const 1))))`;
const said = (lines: readonly string[]): string => lines.map((line) => line.at(-1)).join("");

const tick = (ms: number): string =>
  `(drop (call $proxy_set_tick_period_milliseconds (i32.const ${ms})))`;

describe("root context", () => {
  it("is created, started and configured in order, with the sizes of its configurations", () => {
    const { problems, thread } = startPlugin({
      fields: SAY,
      callbacks: {
        proxy_on_context_create: say("(local.get $a)"),
        proxy_on_vm_start: `${say("(local.get $a)")} (i32.const 1)`,
        proxy_on_configure: `${say("(i32.sub (local.get $a) (i32.const 10))")} (i32.const 1)`,
      },
    });
    assert.deepEqual(problems, []);
    assert.equal(said(thread.lines), "093");
  });

  it("reads its configuration in proxy_on_configure and in the creation of the first root", () => {
    const status = `(call $proxy_get_buffer_status (i32.const 7) (i32.const 64) (i32.const 68))`;
    const { thread } = startPlugin({
      fields: SAY,
      callbacks: {
        proxy_on_context_create: say(status),
        proxy_on_vm_start: `${say(status)} (i32.const 1)`,
        proxy_on_configure: `${say(status)} (i32.const 1)`,
        proxy_on_request_headers: `${say(status)} (i32.const 0)`,
      },
    });
    assert.equal(said(thread.lines), "010");
  });

  it("does not start when a callback says no or traps", () => {
    const refuse = (name: string, body: string) =>
      startPlugin({ callbacks: { [name]: body } }).problems[0];
    assert.match(refuse("proxy_on_vm_start", "(i32.const 0)") ?? "", /vm_start returned false/);
    assert.match(refuse("proxy_on_configure", "unreachable") ?? "", /proxy_on_configure: unreach/);
    assert.match(refuse("proxy_on_vm_start", "unreachable") ?? "", /proxy_on_vm_start: unreach/);
    assert.match(refuse("proxy_on_context_create", "unreachable") ?? "", /context_create: unreach/);
  });

  it("takes any result but zero as yes", () => {
    assert.deepEqual(
      startPlugin({ callbacks: { proxy_on_configure: "(i32.const -7)" } }).problems,
      [],
    );
  });
});

describe("tick of a root", () => {
  it("ticks until the period is 0, one timer at a time", () => {
    const { thread } = startPlugin({
      fields: `${SAY} (global $left (mut i32) (i32.const 3))`,
      callbacks: {
        proxy_on_configure: `${tick(50)} ${tick(10)} (i32.const 1)`,
        proxy_on_tick: `${say("(global.get $left)")}
          (global.set $left (i32.sub (global.get $left) (i32.const 1)))
          (if (i32.eqz (global.get $left)) (then ${tick(0)}))`,
      },
    });
    for (let i = 0; i < 6; i++) thread.timers.advance(10);
    assert.equal(said(thread.lines), "321");
    assert.equal(thread.timers.pendingCount, 0);
  });

  it("arms a period that is changed inside the tick once", () => {
    const { thread } = startPlugin({
      fields: SAY,
      callbacks: {
        proxy_on_configure: `${tick(10)} (i32.const 1)`,
        proxy_on_tick: `${say("(i32.const 1)")} ${tick(30)}`,
      },
    });
    thread.timers.advance(10);
    assert.equal(thread.timers.pendingCount, 1);
    thread.timers.advance(29);
    assert.equal(said(thread.lines), "1");
    thread.timers.advance(1);
    assert.equal(said(thread.lines), "11");
  });
});

describe("end of a root", () => {
  it("is done and deleted when the host stops", () => {
    const { host, thread } = startPlugin({
      fields: SAY,
      callbacks: {
        proxy_on_configure: `${tick(10)} (i32.const 1)`,
        proxy_on_done: `${say("(i32.const 1)")} (i32.const 1)`,
        proxy_on_delete: `${say("(i32.const 2)")}`,
      },
    });
    host.stop(1000);
    assert.equal(said(thread.lines), "12");
    assert.equal(thread.timers.pendingCount, 0);
    assert.equal(host.vmCount, 0);
  });

  it("that is not done yet lives on until proxy_done", () => {
    const { host, thread } = startPlugin({
      fields: SAY,
      callbacks: {
        proxy_on_configure: `${tick(10)} (i32.const 1)`,
        proxy_on_tick: `${say("(call $proxy_done)")}`,
        proxy_on_done: `${say("(call $proxy_done)")} (i32.const 0)`,
        proxy_on_delete: `${say("(i32.const 2)")}`,
      },
    });
    thread.timers.advance(10);
    host.stop(1000);
    assert.equal(said(thread.lines), "11", "proxy_done before the time is NotFound");
    assert.equal(host.vmCount, 1);
    thread.timers.advance(10);
    assert.equal(said(thread.lines), "1102");
    assert.equal(host.vmCount, 0);
  });

  it("that is never done is dropped after the grace period", () => {
    const { host, thread } = startPlugin({
      callbacks: {
        proxy_on_configure: `${tick(10)} (i32.const 1)`,
        proxy_on_done: "(i32.const 0)",
      },
    });
    host.stop(25);
    thread.timers.advance(24);
    assert.equal(host.vmCount, 1);
    thread.timers.advance(1);
    assert.equal(host.vmCount, 0);
    assert.equal(thread.timers.pendingCount, 0);
  });
});
