import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ENDED_PHASES, type Guest, inPhase, OUTSIDE, ROOT_PHASES } from "./guest.ts";
import { entriesOf, MAP_PHASES, streamReadOnly, streamWithMap, streamWithoutMaps } from "./maps.ts";

const remove =
  (key: string, type = 0) =>
  (guest: Guest): number =>
    guest.call("proxy_remove_header_map_value", type, ...guest.put(key));

const PHASE = "proxy_on_request_headers";

describe("proxy_remove_header_map_value works", () => {
  for (const [type, phase] of MAP_PHASES) {
    it(`removes all entries of a name from map ${type} and tells the stream`, () => {
      const stream = streamWithMap(
        [
          ["x", "1"],
          ["y", "2"],
          ["x", "3"],
        ],
        type,
      );
      assert.equal(inPhase(phase, remove("X", type), { stream }), 0);
      assert.deepEqual(entriesOf(stream, type), [["y", "2"]]);
      assert.ok(stream.calls.includes(`changed ${type}`));
    });
  }
});

describe("proxy_remove_header_map_value misuse", () => {
  it("says OK for a name that is absent, without a change", () => {
    const stream = streamWithMap([["x", "1"]]);
    assert.equal(inPhase(PHASE, remove("y"), { stream }), 0);
    assert.deepEqual(entriesOf(stream), [["x", "1"]]);
    assert.deepEqual(stream.calls, []);
  });

  it("answers BadArgument for a map type that does not exist", () => {
    for (const type of [8, -1]) assert.equal(inPhase(PHASE, remove("x", type)), 2);
  });

  it("answers InvalidMemoryAccess for a key outside the memory", () => {
    const call = (guest: Guest): number =>
      guest.call("proxy_remove_header_map_value", 0, ...OUTSIDE);
    assert.equal(inPhase(PHASE, call), 6);
  });
});

describe("proxy_remove_header_map_value in the wrong phase", () => {
  it("answers BadArgument for a map that is not there or has gone on", () => {
    for (const stream of [streamWithoutMaps(), streamReadOnly([["x", "1"]])]) {
      assert.equal(inPhase(PHASE, remove("x"), { stream }), 2);
    }
  });

  for (const phase of [...ROOT_PHASES, ...ENDED_PHASES]) {
    it(`answers BadArgument in ${phase}`, () => {
      const stream = streamWithMap([["x", "1"]]);
      assert.equal(inPhase(phase, remove("x"), { stream }), 2);
      assert.deepEqual(entriesOf(stream), [["x", "1"]]);
    });
  }

  it("answers BadArgument for the maps of calls", () => {
    for (const type of [4, 5, 6, 7]) assert.equal(inPhase(PHASE, remove("x", type)), 2);
  });
});

describe("proxy_remove_header_map_value edges", () => {
  it("says OK for the empty name", () => {
    assert.equal(inPhase(PHASE, remove("")), 0);
  });
});
