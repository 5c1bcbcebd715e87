import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type Guest,
  inPhase,
  OUTSIDE,
  OUTSIDE_PTR,
  type PhaseSetting,
  type Result,
  ROOT_PHASES,
} from "./guest.ts";
import { MAP_PHASES, streamReadOnly, streamWithMap, streamWithoutMaps } from "./maps.ts";

const read =
  (key: string, type = 0) =>
  (guest: Guest): Result =>
    guest.fetch("proxy_get_header_map_value", type, ...guest.put(key));

const EMPTY = { status: 0, ptr: 0, len: 0, text: "" };
const OLD = { options: { abi: "0_1_0" } } satisfies PhaseSetting;

describe("proxy_get_header_map_value works", () => {
  for (const [type, phase] of MAP_PHASES) {
    it(`gives the first value of a name in map ${type}`, () => {
      const stream = streamWithMap(
        [
          ["x", "1"],
          ["x", "2"],
        ],
        type,
      );
      const result = inPhase(phase, read("x", type), { stream });
      assert.deepEqual([result.status, result.text], [0, "1"]);
    });
  }

  it("takes a name in any case", () => {
    const stream = streamWithMap([["x-name", "v"]]);
    assert.equal(inPhase("proxy_on_request_headers", read("X-Name"), { stream }).text, "v");
  });

  it("gives pseudo-headers, and host by the name of :authority", () => {
    const stream = streamWithMap([[":authority", "example.com"]]);
    const phase = "proxy_on_request_headers";
    assert.equal(inPhase(phase, read(":authority"), { stream }).text, "example.com");
    assert.equal(inPhase(phase, read("host"), { stream }).text, "example.com");
  });

  it("gives the bytes of a value that is no UTF-8", () => {
    const stream = streamWithMap([["x", "\u00e9\u00ff"]]);
    assert.equal(inPhase("proxy_on_request_headers", read("x"), { stream }).text, "\u00e9\u00ff");
  });

  it("reads headers that have gone on", () => {
    const stream = streamReadOnly([["x", "1"]]);
    for (const phase of ["proxy_on_request_body", "proxy_on_response_headers"] as const) {
      assert.equal(inPhase(phase, read("x"), { stream }).text, "1");
    }
  });
});

describe("proxy_get_header_map_value misuse", () => {
  it("answers NotFound for a name that is absent, and writes nothing", () => {
    const result = inPhase("proxy_on_request_headers", read("absent"));
    assert.deepEqual([result.status, result.text], [1, null]);
  });

  it("answers OK with nothing for an absent name to a guest of version 0.1.0", () => {
    assert.deepEqual(inPhase("proxy_on_request_headers", read("absent"), OLD), EMPTY);
  });

  it("answers BadArgument for a map type that does not exist", () => {
    for (const type of [8, -1]) {
      assert.equal(inPhase("proxy_on_request_headers", read("x", type)).status, 2);
    }
  });

  it("answers InvalidMemoryAccess for a key or out-parameters outside the memory", () => {
    const got = inPhase("proxy_on_request_headers", (guest) => [
      guest.fetch("proxy_get_header_map_value", 0, ...OUTSIDE).status,
      guest.call("proxy_get_header_map_value", 0, ...guest.put(":path"), OUTSIDE_PTR, guest.out()),
      guest.call("proxy_get_header_map_value", 0, ...guest.put(":path"), guest.out(), OUTSIDE_PTR),
    ]);
    assert.deepEqual(got, [6, 6, 6]);
  });
});

describe("proxy_get_header_map_value in the wrong phase", () => {
  it("answers BadArgument for a map that is not available, in every version", () => {
    const stream = streamWithoutMaps();
    for (let type = 0; type <= 7; type++) {
      assert.equal(inPhase("proxy_on_request_headers", read("x", type), { stream }).status, 2);
    }
    assert.equal(inPhase("proxy_on_request_headers", read("x"), { ...OLD, stream }).status, 2);
  });

  for (const phase of ROOT_PHASES) {
    it(`answers BadArgument in ${phase}`, () => {
      assert.equal(inPhase(phase, read(":path")).status, 2);
    });
  }

  it("reads while logging, and says NotFound for a map that the stream never had", () => {
    const stream = streamWithMap([["x", "1"]]);
    assert.equal(inPhase("proxy_on_log", read("x"), { stream }).text, "1");
    assert.equal(inPhase("proxy_on_log", read("x", 2), { stream }).status, 1);
    assert.deepEqual(inPhase("proxy_on_log", read("x", 2), { ...OLD, stream }), EMPTY);
  });
});

describe("proxy_get_header_map_value edges", () => {
  it("gives pointer 0 and length 0 for a value that is there and empty", () => {
    const got = inPhase(
      "proxy_on_request_headers",
      (guest) => ({ ...read("x")(guest), allocations: guest.allocations.length }),
      { stream: streamWithMap([["x", ""]]) },
    );
    assert.deepEqual(got, { ...EMPTY, allocations: 0 });
  });

  it("answers NotFound for the empty name", () => {
    assert.equal(inPhase("proxy_on_request_headers", read("")).status, 1);
  });

  it("sees its own change in the same callback", () => {
    const text = inPhase("proxy_on_request_headers", (guest) => {
      guest.call("proxy_add_header_map_value", 0, ...guest.put("X-New"), ...guest.put("v"));
      return read("x-new")(guest).text;
    });
    assert.equal(text, "v");
  });
});
