import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../../src/base/clock.ts";
import { DateHeader } from "../../../src/http/date-header.ts";
import { statusText } from "../../../src/http/status-text.ts";

test("the date is IMF-fixdate and changes with the second", () => {
  let nowMs = Date.UTC(1994, 10, 6, 8, 49, 37, 999);
  const date = new DateHeader({ ...systemClock, wallMs: () => nowMs });
  assert.equal(date.value(), "Sun, 06 Nov 1994 08:49:37 GMT");
  const first = date.value();
  nowMs += 1;
  assert.equal(date.value(), "Sun, 06 Nov 1994 08:49:38 GMT");
  assert.equal(first, "Sun, 06 Nov 1994 08:49:37 GMT");
});

test("every status the proxy answers with has a reason phrase", () => {
  for (const status of [
    100, 200, 204, 304, 400, 404, 408, 413, 414, 431, 501, 502, 503, 504, 505,
  ]) {
    assert.notEqual(statusText(status), "Unknown");
  }
  assert.equal(statusText(799), "Unknown");
});
