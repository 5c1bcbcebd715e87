import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { requestId } from "../../../src/silo/request-id.ts";

describe("a request id", () => {
  it("is a version 4 UUID, each another one", () => {
    const seen = new Set<string>();
    for (let i = 0; i < 2000; i++) {
      const id = requestId();
      assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      seen.add(id);
    }
    assert.equal(seen.size, 2000);
  });
});
