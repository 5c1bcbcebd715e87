import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Http2Keepalive, type KeepaliveTimes } from "../../../src/net/http2-keepalive.ts";
import { ManualClock } from "../../harness/manual-clock.ts";

const TIMES = { intervalMs: 1_000, timeoutMs: 100, jitterPercent: 0 };

function setup(times: KeepaliveTimes = TIMES, random = 0) {
  const clock = new ManualClock();
  const answers: (() => void)[] = [];
  const peer = {
    heardCount: 0,
    silent: 0,
    open: true,
    ping: (answered: () => void) => {
      if (peer.open) answers.push(answered);
      return peer.open;
    },
    onSilent: () => {
      peer.silent++;
    },
  };
  return { clock, answers, peer, keepalive: new Http2Keepalive(times, clock, () => random, peer) };
}

describe("signs of life of an HTTP/2 connection", () => {
  it("are asked for at intervals, each counted from the answer before", () => {
    const { clock, answers, peer, keepalive } = setup();
    keepalive.start();
    clock.advance(999);
    assert.equal(answers.length, 0);
    clock.advance(1);
    assert.equal(answers.length, 1);
    clock.advance(50);
    answers[0]?.();
    clock.advance(999);
    assert.equal(answers.length, 1);
    clock.advance(1);
    assert.equal(answers.length, 2);
    assert.equal(peer.silent, 0);
  });

  it("are missed when neither the answer nor anything else comes in time", () => {
    const { clock, answers, peer, keepalive } = setup();
    keepalive.start();
    clock.advance(1_000);
    clock.advance(99);
    peer.heardCount++;
    clock.advance(100);
    assert.equal(peer.silent, 0);
    clock.advance(100);
    assert.equal(peer.silent, 1);
    clock.advance(10_000);
    assert.deepEqual([answers.length, peer.silent, clock.timerCount], [1, 1, 0]);
  });

  it("have jitter, as a share of the interval", () => {
    const { clock, answers, keepalive } = setup({ ...TIMES, jitterPercent: 50 }, 0.5);
    keepalive.start();
    clock.advance(1_249);
    assert.equal(answers.length, 0);
    clock.advance(1);
    assert.equal(answers.length, 1);
  });

  it("are one at a time when the owner asks as well", () => {
    const { clock, answers, peer, keepalive } = setup({ ...TIMES, intervalMs: 0 });
    keepalive.start();
    assert.equal(clock.timerCount, 0);
    keepalive.ask();
    keepalive.ask();
    assert.equal(answers.length, 1);
    answers[0]?.();
    answers[0]?.();
    clock.advance(10_000);
    assert.equal(peer.silent, 0);
    keepalive.ask();
    assert.equal(answers.length, 2);
  });

  it("are not waited for where none could be asked for, nor after the end", () => {
    const { clock, peer, keepalive } = setup();
    peer.open = false;
    keepalive.ask();
    assert.equal(clock.timerCount, 0);
    peer.open = true;
    keepalive.start();
    keepalive.ask();
    keepalive.stop();
    assert.equal(clock.timerCount, 0);
  });
});
