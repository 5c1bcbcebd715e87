import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Quota } from "../../../src/shm/quota.ts";

describe("a quota", () => {
  it("gives seats what they claim until the limit of all is reached", () => {
    const one = Quota.create(10);
    const other = new Quota(one.region);
    assert.deepEqual([one.claim(0, 6), other.claim(1, 5), other.claim(1, 4)], [true, false, true]);
    assert.deepEqual([one.used, other.used, other.limit], [10, 10, 10]);
    assert.equal(one.claim(0, 1), false);
  });

  it("gives others what a seat gave back, or had when its thread died", () => {
    const quota = Quota.create(10);
    quota.claim(0, 6);
    quota.claim(1, 4);
    quota.giveBack(0, 2);
    assert.deepEqual([quota.claim(2, 3), quota.claim(2, 2)], [false, true]);
    quota.clear(1);
    assert.deepEqual([quota.claim(0, 4), quota.used], [true, 10]);
  });

  it("does not let a claim wrap around", () => {
    const quota = Quota.create(10);
    assert.deepEqual([quota.claim(0, 2 ** 31), quota.claim(0, 2 ** 32 - 1)], [false, false]);
    assert.equal(quota.used, 0);
  });
});
