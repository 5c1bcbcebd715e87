import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ContextId } from "../../../src/base/ids.ts";
import { ContextTable, type GuestContext } from "../../../src/vm/contexts.ts";

/** Only its id matters to the table. */
const contextOf = (id: ContextId): GuestContext => ({ id, stream: null }) as GuestContext;

function add(table: ContextTable): GuestContext {
  const context = contextOf(table.nextId());
  table.add(context);
  return context;
}

describe("ids of contexts", () => {
  it("begin at 1 and are not reused at once", () => {
    const table = new ContextTable();
    const first = add(table);
    table.remove(first.id);
    assert.deepEqual([first.id, add(table).id], [1, 2]);
    assert.equal(table.get(1), null);
  });

  it("go through 2^31 to 2^32 - 1 and begin anew at 1, never 0", () => {
    const middle = new ContextTable(0x7fffffff);
    const upper = add(middle);
    assert.equal(upper.id, 0x80000000);
    assert.equal(middle.get(0x80000000), upper);
    const table = new ContextTable(0xfffffffd);
    const contexts = [1, 2, 3, 4].map(() => add(table));
    assert.deepEqual(
      contexts.map(({ id }) => id),
      [0xfffffffe, 0xffffffff, 1, 2],
    );
    for (const context of contexts) assert.equal(table.get(context.id), context);
    assert.equal(table.get(0), null);
  });

  it("pass over those that live when they begin anew", () => {
    // As when four thousand million others have come and gone meanwhile.
    const wrapped = new ContextTable(0xffffffff);
    wrapped.add(contextOf(1 as ContextId));
    wrapped.add(contextOf(2 as ContextId));
    assert.equal(add(wrapped).id, 3);
    assert.equal(wrapped.count, 3);
  });

  it("find their context through every growth of the table, also across the wrap", () => {
    const table = new ContextTable(0xffffffff - 500);
    const contexts = Array.from({ length: 1_000 }, () => add(table));
    assert.equal(new Set(contexts.map(({ id }) => id)).size, 1_000);
    for (const context of contexts) assert.equal(table.get(context.id), context);
    for (const context of contexts) table.remove(context.id);
    assert.equal(table.count, 0);
  });
});
