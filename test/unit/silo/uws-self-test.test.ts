import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { systemClock } from "../../../src/base/clock.ts";
import { loadUws } from "../../../src/silo/downstream/uws-library.ts";
import { runSelfTest, verdictOf } from "../../../src/silo/downstream/uws-self-test.ts";

const two = { name: "", segments: [], answers: ["/1:;", "/2:;"] };
const none = { ...two, answers: null };
const ok = (body: string) => `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

describe("uws self-test", () => {
  test("passes answers in order and waits for those that lack", () => {
    assert.equal(verdictOf(two, ok("/1:;")), null);
    assert.equal(verdictOf(two, ok("/1:;") + ok("/2:;")), true);
    assert.equal(verdictOf(two, ok("/2:;") + ok("/1:;")), false);
    assert.equal(verdictOf(two, `${ok("/1:;")}HTTP/1.1 505 X\r\n\r\n`), false);
  });

  test("wants malformed bytes refused", () => {
    assert.equal(verdictOf(none, "HTTP/1.1 400 Bad Request\r\n"), true);
    assert.equal(verdictOf(none, ok("/1:;")), false);
    assert.equal(verdictOf(none, ""), null);
  });

  test("finds what the installed build gets wrong, if anything", async (context) => {
    const load = await loadUws();
    if (load.kind === "absent") {
      context.skip(load.reason);
      return;
    }
    const failures = await runSelfTest(load.library, systemClock);
    assert.ok(!failures.includes("a chunked body"), failures.join());
    // The repack that the tests install is older than the fix of this.
    assert.ok(failures.includes("pipelined requests answered late"), failures.join());
  });
});
