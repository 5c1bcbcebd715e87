import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  ENDED_PHASES,
  type Guest,
  inPhase,
  OUTSIDE_PTR,
  type Result,
  ROOT_PHASES,
} from "./guest.ts";
import { block, type Entries, MAP_PHASES, streamWithMap, streamWithoutMaps } from "./maps.ts";

const read =
  (type: number) =>
  (guest: Guest): Result =>
    guest.fetch("proxy_get_header_map_pairs", type);

const EMPTY = { status: 0, ptr: 0, len: 0, text: "" };

function blockText(entries: Entries): string {
  return block(entries).toString("latin1");
}

describe("proxy_get_header_map_pairs works", () => {
  const entries: Entries = [
    [":path", "/"],
    ["a", "1"],
    ["bc", ""],
    ["a", "2"],
  ];

  for (const [type, phase] of MAP_PHASES) {
    it(`gives all entries of map ${type} in order, repeated names too`, () => {
      const result = inPhase(phase, read(type), { stream: streamWithMap(entries, type) });
      assert.equal(result.status, 0);
      assert.equal(result.text, blockText(entries));
    });
  }

  it("lays the block out as the specification says", () => {
    const stream = streamWithMap([
      ["a", "1"],
      ["bc", ""],
    ]);
    const { text } = inPhase("proxy_on_request_headers", read(0), { stream });
    assert.equal(
      Buffer.from(text ?? "", "latin1").toString("hex"),
      "02000000010000000100000002000000000000006100310062630000",
    );
  });
});

describe("proxy_get_header_map_pairs misuse", () => {
  it("answers BadArgument for a map type that does not exist", () => {
    for (const type of [8, -1]) {
      assert.equal(inPhase("proxy_on_request_headers", read(type)).status, 2);
    }
  });

  it("answers InvalidMemoryAccess for out-parameters outside the memory", () => {
    const got = inPhase("proxy_on_request_headers", (guest) => [
      guest.call("proxy_get_header_map_pairs", 0, OUTSIDE_PTR, guest.out()),
      guest.call("proxy_get_header_map_pairs", 0, guest.out(), OUTSIDE_PTR),
      guest.allocations.length,
    ]);
    assert.deepEqual(got, [6, 6, 0]);
  });
});

describe("proxy_get_header_map_pairs in the wrong phase", () => {
  it("gives an empty map where it is not available", () => {
    const stream = streamWithoutMaps();
    for (let type = 0; type <= 7; type++) {
      assert.deepEqual(inPhase("proxy_on_request_headers", read(type), { stream }), EMPTY);
    }
  });

  for (const phase of ROOT_PHASES) {
    it(`gives an empty map in ${phase}`, () => {
      assert.deepEqual(inPhase(phase, read(0)), EMPTY);
    });
  }

  it("reads while logging what the stream still has", () => {
    const stream = streamWithMap([["a", "1"]]);
    for (const phase of ENDED_PHASES) {
      assert.equal(inPhase(phase, read(0), { stream }).status, 0);
    }
    assert.equal(inPhase("proxy_on_log", read(0), { stream }).text, blockText([["a", "1"]]));
  });
});

describe("proxy_get_header_map_pairs edges", () => {
  it("gives pointer 0 and length 0 for a map without entries, without an allocation", () => {
    const got = inPhase(
      "proxy_on_request_headers",
      (guest) => ({ ...read(0)(guest), allocations: guest.allocations.length }),
      { stream: streamWithMap([]) },
    );
    assert.deepEqual(got, { ...EMPTY, allocations: 0 });
  });

  it("passes bytes that are no UTF-8 through", () => {
    const entries: Entries = [["x", "\u0080\u00ff"]];
    const result = inPhase("proxy_on_request_headers", read(0), { stream: streamWithMap(entries) });
    assert.equal(result.text, blockText(entries));
  });
});
