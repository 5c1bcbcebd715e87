/**
 * Guests that export functions of asyncify's names and do something else in them. They can harm
 * their own VM and nothing beside it: the thread goes on, its streams are settled, the next VM works.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { coroutineGuest, settled, slept } from "../../../harness/coroutine-guest.ts";
import { pluginConfig, startModule } from "../../../harness/plugin-fixture.ts";
import { A, type Callbacks, CONTINUE, type Script } from "../../../harness/scripted-guest.ts";

type Fakes = Readonly<
  Partial<Record<"start_unwind" | "stop_unwind" | "start_rewind" | "stop_rewind", string>>
>;

function fields(fakes: Fakes): string {
  const takesStack = ["start_unwind", "start_rewind"] as const;
  const takesNothing = ["stop_unwind", "stop_rewind"] as const;
  return `(func (export "asyncify_get_state") (result i32) (i32.const 0))
    ${takesStack.map((name) => `(func (export "asyncify_${name}") (param i32) ${fakes[name] ?? ""})`).join(" ")}
    ${takesNothing.map((name) => `(func (export "asyncify_${name}") ${fakes[name] ?? ""})`).join(" ")}`;
}

/** With headers it is hostile, without it answers by passing on. */
const hostile =
  (...steps: ((script: Script) => string)[]) =>
  (script: Script): Callbacks => ({
    proxy_on_request_headers: [
      `(if ${A} (then ${steps.map((step) => step(script)).join(" ")}))`,
      script.note("passed"),
      CONTINUE,
    ],
  });

const SLEEP = `(drop ${slept(10)})`;
const once = () => SLEEP;
const effects = (script: Script): string =>
  `${script.resume(0)} ${script.reply(403, "no")} ${script.setTick(1)}`;

const CASES: Readonly<Record<string, readonly [Fakes, (script: Script) => Callbacks]>> = {
  "goes on when it should stop": [{}, hostile(once)],
  "goes on and asks for effects": [{}, hostile(once, effects)],
  "goes on and awaits again": [{}, hostile(once, once, once)],
  "traps when it should stop": [{ start_unwind: "(unreachable)" }, hostile(once)],
  "traps when it has stopped": [{ stop_unwind: "(unreachable)" }, hostile(once)],
  "traps when it should go on": [{ start_rewind: "(unreachable)" }, hostile(once)],
  "traps when it goes on": [{ stop_rewind: "(unreachable)" }, hostile(once)],
  "awaits when it should stop": [{ start_unwind: SLEEP }, hostile(once)],
  "awaits when it has stopped": [{ stop_unwind: SLEEP }, hostile(once)],
  "awaits when it should go on": [{ start_rewind: SLEEP }, hostile(once)],
  "awaits when it goes on": [{ stop_rewind: SLEEP }, hostile(once)],
};

const GOES_ON = new Set([
  "goes on and awaits again",
  "awaits when it should stop",
  "awaits when it has stopped",
]);

describe("a guest with asyncify of its own", () => {
  for (const [name, [fakes, write]] of Object.entries(CASES)) {
    test(`that ${name}`, async () => {
      const base = pluginConfig();
      const { thread, open, problems, host } = startModule(
        await coroutineGuest("JSPI", write, { fields: fields(fakes) }),
        {
          vm: { ...base.vm, coroutines: true },
          failurePolicy: "reload",
          isolation: { ...base.isolation, vmPoolMax: 1, suspensionMsMax: 1_000 },
        },
      );
      assert.deepEqual(problems, []);
      for (let round = 0; round < 3; round++) {
        const streams = [1, 0, 2].map((count) => {
          const { stream, context } = open();
          context.enter();
          return { stream, context, status: context.onRequestHeaders(count, true) };
        });
        for (let step = 0; step < 30; step++) {
          thread.timers.advance(100);
          await settled();
        }
        for (const { stream, context, status } of streams) {
          const isSettled = stream.calls.some((call) => /settle|failStream|local/.test(call));
          assert.ok(status !== 5 || isSettled, `round ${round}: ${stream.calls.join()}`);
          context.onLog();
          context.onDestroy();
        }
        thread.timers.advance(60_000);
        await settled();
      }
      const vm = host.report()[0];
      assert.equal(vm?.plugins[0]?.streams, 0);
      if (GOES_ON.has(name)) {
        assert.equal(vm?.lastFailure?.reason, "it goes on while its call is being suspended");
      }
      const { stream, context } = open();
      context.enter();
      assert.deepEqual([context.onRequestHeaders(0, true), stream.calls], [0, []]);
    });
  }
});
