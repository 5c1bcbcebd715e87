import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ENDED_PHASES, type Guest, inPhase, OUTSIDE, ROOT_PHASES } from "./guest.ts";
import { entriesOf, MAP_PHASES, streamReadOnly, streamWithMap, streamWithoutMaps } from "./maps.ts";

const replace =
  (key: string, value: string, type = 0) =>
  (guest: Guest): number =>
    guest.call("proxy_replace_header_map_value", type, ...guest.put(key), ...guest.put(value));

const PHASE = "proxy_on_request_headers";

describe("proxy_replace_header_map_value works", () => {
  for (const [type, phase] of MAP_PHASES) {
    it(`puts one entry in the place of all of a name in map ${type}`, () => {
      const stream = streamWithMap(
        [
          ["x", "1"],
          ["y", "2"],
          ["x", "3"],
        ],
        type,
      );
      assert.equal(inPhase(phase, replace("x", "new", type), { stream }), 0);
      const entries = entriesOf(stream, type);
      assert.deepEqual(
        entries.filter(([name]) => name === "x"),
        [["x", "new"]],
      );
      assert.equal(entries.length, 2);
      assert.ok(stream.calls.includes(`changed ${type}`));
    });
  }

  it("stores the name in lower case and the value byte for byte", () => {
    const stream = streamWithMap([]);
    inPhase(PHASE, replace("X-NAME", "\u00e9 B"), { stream });
    assert.deepEqual(entriesOf(stream), [["x-name", "\u00e9 B"]]);
  });

  it("adds the entry when the name is absent", () => {
    const stream = streamWithMap([["x", "1"]]);
    assert.equal(inPhase(PHASE, replace("y", "2"), { stream }), 0);
    assert.deepEqual(entriesOf(stream), [
      ["x", "1"],
      ["y", "2"],
    ]);
  });

  it("changes pseudo-headers", () => {
    const stream = streamWithMap([[":path", "/old"]]);
    inPhase(PHASE, replace(":path", "/new"), { stream });
    assert.deepEqual(entriesOf(stream), [[":path", "/new"]]);
    const response = streamWithMap([[":status", "200"]], 2);
    inPhase("proxy_on_response_headers", replace(":status", "404", 2), { stream: response });
    assert.deepEqual(entriesOf(response, 2), [[":status", "404"]]);
  });

  it("takes host as :authority on a request", () => {
    const stream = streamWithMap([[":authority", "a"]]);
    inPhase(PHASE, replace("host", "b"), { stream });
    assert.deepEqual(entriesOf(stream), [[":authority", "b"]]);
  });
});

describe("proxy_replace_header_map_value misuse", () => {
  it("answers BadArgument for a map type that does not exist", () => {
    for (const type of [8, -1]) assert.equal(inPhase(PHASE, replace("x", "1", type)), 2);
  });

  it("answers InvalidMemoryAccess for a key or a value outside the memory", () => {
    const got = inPhase(PHASE, (guest) => [
      guest.call("proxy_replace_header_map_value", 0, ...OUTSIDE, ...guest.put("v")),
      guest.call("proxy_replace_header_map_value", 0, ...guest.put("k"), ...OUTSIDE),
    ]);
    assert.deepEqual(got, [6, 6]);
  });

  it("drops an entry that would break the message, with a log line, and says OK", () => {
    const entries = [
      ["x", "a\r\nb: c"],
      ["x", "a\nb"],
      ["x", "a\0b"],
      ["x\r\ny", "v"],
      ["x y", "v"],
      ["x:", "v"],
      ["", "v"],
      [":", "v"],
    ] as const;
    for (const [key, value] of entries) {
      const stream = streamWithMap([]);
      const got = inPhase(
        PHASE,
        (guest) => {
          guest.thread.lines.length = 0;
          return [replace(key, value)(guest), guest.thread.lines.length];
        },
        { stream },
      );
      assert.deepEqual(got, [0, 1], JSON.stringify([key, value]));
      assert.deepEqual(entriesOf(stream), []);
      assert.deepEqual(stream.calls, []);
    }
  });
});

describe("proxy_replace_header_map_value in the wrong phase", () => {
  it("answers BadArgument for a map that is not there or has gone on, and says why", () => {
    for (const stream of [streamWithoutMaps(), streamReadOnly([["x", "1"]])]) {
      const got = inPhase(
        PHASE,
        (guest) => {
          guest.thread.lines.length = 0;
          return [replace("y", "2")(guest), guest.thread.lines.length];
        },
        { stream },
      );
      assert.deepEqual(got, [2, 1]);
    }
  });

  for (const phase of [...ROOT_PHASES, ...ENDED_PHASES]) {
    it(`answers BadArgument in ${phase}`, () => {
      const stream = streamWithMap([]);
      assert.equal(inPhase(phase, replace("x", "1"), { stream }), 2);
      assert.deepEqual(entriesOf(stream), []);
    });
  }

  it("answers BadArgument for the maps of calls", () => {
    for (const type of [4, 5, 6, 7]) assert.equal(inPhase(PHASE, replace("x", "1", type)), 2);
  });
});

describe("proxy_replace_header_map_value edges", () => {
  it("puts an empty value", () => {
    const stream = streamWithMap([]);
    assert.equal(inPhase(PHASE, replace("x", ""), { stream }), 0);
    assert.deepEqual(entriesOf(stream), [["x", ""]]);
  });
});
