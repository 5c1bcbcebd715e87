import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Guest, inPhase, OUTSIDE_PTR, ROOT_PHASES } from "./guest.ts";
import { MAP_PHASES, streamWithMap, streamWithoutMaps } from "./maps.ts";

const read =
  (type: number) =>
  (guest: Guest): readonly [number, number | null] =>
    guest.fetchU32("proxy_get_header_map_size", type);

describe("proxy_get_header_map_size works", () => {
  for (const [type, phase] of MAP_PHASES) {
    it(`tells the bytes of all names and values of map ${type}`, () => {
      const stream = streamWithMap(
        [
          ["ab", "123"],
          ["ab", "4"],
          ["c", ""],
        ],
        type,
      );
      assert.deepEqual(inPhase(phase, read(type), { stream }), [0, 9]);
    });
  }
});

describe("proxy_get_header_map_size misuse", () => {
  it("answers BadArgument for a map type that does not exist", () => {
    for (const type of [8, -1]) {
      assert.deepEqual(inPhase("proxy_on_request_headers", read(type)), [2, null]);
    }
  });

  it("answers InvalidMemoryAccess for a pointer outside the memory", () => {
    const call = (guest: Guest): number => guest.call("proxy_get_header_map_size", 0, OUTSIDE_PTR);
    assert.equal(inPhase("proxy_on_request_headers", call), 6);
  });
});

describe("proxy_get_header_map_size in the wrong phase", () => {
  it("answers BadArgument for a map that is not available", () => {
    const stream = streamWithoutMaps();
    for (let type = 0; type <= 7; type++) {
      assert.deepEqual(inPhase("proxy_on_request_headers", read(type), { stream }), [2, null]);
    }
  });

  for (const phase of ROOT_PHASES) {
    it(`answers BadArgument in ${phase}`, () => {
      assert.deepEqual(inPhase(phase, read(0)), [2, null]);
    });
  }
});

describe("proxy_get_header_map_size edges", () => {
  it("tells 0 for a map without entries", () => {
    assert.deepEqual(
      inPhase("proxy_on_request_headers", read(0), { stream: streamWithMap([]) }),
      [0, 0],
    );
  });
});
