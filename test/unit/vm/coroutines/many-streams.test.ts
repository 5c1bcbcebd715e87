/**
 * Many streams on one VM in random order: their callbacks wait, sleep, ask and are reset. Each
 * callback that did not return settles exactly once unless its stream has ended, each stream hears
 * of its life in the right order, and nothing is left over.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SUSPENDED } from "../../../../src/vm/types.ts";
import {
  type CoroutineFixture,
  settled,
  slept,
  startCoroutines,
  WAYS,
} from "../../../harness/coroutine-guest.ts";
import { prng } from "../../../harness/prng.ts";
import { A, type Callbacks, CONTINUE, type Script } from "../../../harness/scripted-guest.ts";

const SEEDS = [1, 2, 3, 4];
const STEPS = 400;
/** Lines of a stream, in this order; all but the first and the last two may be missing. */
const LIFE = /^create( headers( passed)?)?( response( back)?)?( log)? done delete$/;

/** Bit 0 of the header count: sleeps as long; bit 1: asks. */
function waits(): string {
  return `(if (i32.and ${A} (i32.const 1)) (then (drop ${slept(A)})))
    (if (i32.and ${A} (i32.const 2)) (then (drop (call $await (call $http)))))`;
}

function guest(script: Script): Callbacks {
  return {
    proxy_on_context_create: [script.note("create")],
    proxy_on_request_headers: [script.note("headers"), waits(), script.note("passed"), CONTINUE],
    proxy_on_response_headers: [script.note("response"), waits(), script.note("back"), CONTINUE],
    proxy_on_configure: [script.setTick(7), "(i32.const 1)"],
    proxy_on_tick: [`(drop ${slept(3)})`],
    proxy_on_log: [script.note("log")],
    proxy_on_done: [script.note("done"), "(i32.const 1)"],
    proxy_on_delete: [script.note("delete")],
  };
}

const REQUEST = 1;
const RESPONSE = 2;

class Model {
  readonly fixture: CoroutineFixture;
  readonly #random: () => number;
  readonly open: ReturnType<Model["begin"]>[] = [];

  constructor(fixture: CoroutineFixture, seed: number) {
    this.fixture = fixture;
    this.#random = prng(seed);
  }

  below(count: number): number {
    return Math.floor(this.#random() * count);
  }

  begin() {
    const { stream, context } = this.fixture.open();
    const entry = { stream, context, pending: 0, responded: false, ended: false };
    stream.onEffect = (name) => {
      const direction = Number(/^settle (\d)/.exec(name)?.[1]);
      assert.equal(entry.pending & direction, direction, `${name} of nothing that waits`);
      entry.pending &= ~direction;
    };
    context.enter();
    if (context.onRequestHeaders(this.below(16), true) === SUSPENDED) entry.pending |= REQUEST;
    return entry;
  }

  /** One random thing happens. */
  async step(): Promise<void> {
    const { callouts } = this.fixture.thread;
    const kind = this.below(10);
    const entry = this.open[this.below(this.open.length)];
    if (kind < 3 || entry === undefined) this.open.push(this.begin());
    else if (kind < 5) this.#respond(entry);
    else if (kind < 6) this.end(entry);
    else if (kind < 8) {
      const call = callouts.calls[this.below(callouts.calls.length)];
      if (call?.cancelled === false) call.reply("200");
    } else await this.fixture.pass(this.below(12));
    if (this.below(3) === 0) await settled();
  }

  #respond(entry: Model["open"][number]): void {
    if (entry.pending !== 0 || entry.responded) return;
    entry.responded = true;
    const status = entry.context.onResponseHeaders(this.below(16), true);
    if (status === SUSPENDED) entry.pending |= RESPONSE;
  }

  end(entry: Model["open"][number]): void {
    this.open.splice(this.open.indexOf(entry), 1);
    entry.ended = true;
    if (this.below(2) === 0) entry.context.onLog();
    entry.context.onDestroy();
  }
}

for (const way of WAYS) {
  describe(`${way}: many streams`, () => {
    for (const seed of SEEDS) {
      test(`settle exactly once and leave nothing, seed ${seed}`, async () => {
        const fixture = await startCoroutines(way, guest);
        const model = new Model(fixture, seed);
        for (let i = 0; i < STEPS; i++) await model.step();
        // All answers come; nobody waits any more.
        const { callouts, timers } = fixture.thread;
        for (let i = 0; model.open.some(({ pending }) => pending !== 0); i++) {
          assert.ok(i < 10 * STEPS, "streams wait for ever");
          await fixture.pass(16);
          for (const call of callouts.calls) if (!call.cancelled) call.reply("200");
          await settled();
        }
        for (const entry of [...model.open]) model.end(entry);
        for (let i = 0; i < 10; i++) await fixture.pass(3);
        assert.equal(fixture.host.report()[0]?.plugins[0]?.streams, 0);
        const lives = new Map<string, string[]>();
        for (const line of fixture.said()) {
          const [, what = "", id = ""] = /^(\w+) (\d+) 0$/.exec(line) ?? [];
          if (id !== "1") lives.set(id, [...(lives.get(id) ?? []), what]);
        }
        assert.ok(lives.size > STEPS / 5);
        for (const [id, life] of lives) assert.match(life.join(" "), LIFE, `stream ${id}`);
        let ended = false;
        fixture.host.stop(1_000, () => {
          ended = true;
        });
        for (let i = 0; i < 10; i++) await fixture.pass(3);
        assert.ok(ended);
        assert.ok(timers.pendingCount <= 1, "only the grace of the end is left");
      });
    }
  });
}
