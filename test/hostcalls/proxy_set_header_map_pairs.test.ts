import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ENDED_PHASES, type Guest, inPhase, OUTSIDE, ROOT_PHASES } from "./guest.ts";
import {
  block,
  type Entries,
  entriesOf,
  MAP_PHASES,
  streamReadOnly,
  streamWithMap,
  streamWithoutMaps,
} from "./maps.ts";

const setBlock =
  (bytes: Uint8Array, type = 0) =>
  (guest: Guest): number =>
    guest.call("proxy_set_header_map_pairs", type, ...guest.put(bytes));

const PHASE = "proxy_on_request_headers";
const OLD: Entries = [
  [":path", "/old"],
  ["x", "1"],
];

describe("proxy_set_header_map_pairs works", () => {
  for (const [type, phase] of MAP_PHASES) {
    it(`puts the pairs in place of all that map ${type} had`, () => {
      const stream = streamWithMap(OLD, type);
      const entries: Entries = [
        [":path", "/new"],
        ["a", "1"],
        ["a", "2"],
        ["b", ""],
      ];
      assert.equal(inPhase(phase, setBlock(block(entries), type), { stream }), 0);
      assert.deepEqual(entriesOf(stream, type), entries);
      assert.ok(stream.calls.includes(`changed ${type}`));
    });
  }

  it("stores names in lower case, and host as :authority", () => {
    const stream = streamWithMap(OLD);
    const entries: Entries = [
      ["X-Name", "V"],
      ["Host", "h"],
    ];
    inPhase(PHASE, setBlock(block(entries)), { stream });
    assert.deepEqual(entriesOf(stream), [
      ["x-name", "V"],
      [":authority", "h"],
    ]);
  });

  it("empties the map with no bytes or with four zero bytes", () => {
    for (const bytes of [new Uint8Array(), new Uint8Array(4)]) {
      const stream = streamWithMap(OLD);
      assert.equal(inPhase(PHASE, setBlock(bytes), { stream }), 0);
      assert.deepEqual(entriesOf(stream), []);
    }
  });
});

describe("proxy_set_header_map_pairs misuse", () => {
  const sound = block([["a", "1"]]);
  const malformed: readonly (readonly [string, Uint8Array])[] = [
    ["truncated", sound.subarray(0, sound.length - 1)],
    ["with bytes behind its end", Buffer.concat([sound, Buffer.from("x")])],
    ["with a name that is not terminated", Buffer.from(sound).fill(0x61, 12)],
    ["with an impossible count", Buffer.from("ffffffff0000000000000000", "hex")],
    ["of three bytes", new Uint8Array(3)],
    ["of 1025 pairs", block(Array.from({ length: 1025 }, () => ["a", "b"] as const))],
  ];
  for (const [what, bytes] of malformed) {
    it(`leaves the map alone for a block ${what}, says OK and logs it`, () => {
      const stream = streamWithMap(OLD);
      const got = inPhase(
        PHASE,
        (guest) => {
          guest.thread.lines.length = 0;
          return [setBlock(bytes)(guest), guest.thread.lines.length];
        },
        { stream },
      );
      assert.deepEqual(got, [0, 1]);
      assert.deepEqual(entriesOf(stream), OLD);
    });
  }

  it("drops single entries that would break the message", () => {
    const stream = streamWithMap(OLD);
    const entries: Entries = [
      ["a", "1\r\nb: 2"],
      ["c d", "1"],
      ["e", "1"],
    ];
    assert.equal(inPhase(PHASE, setBlock(block(entries)), { stream }), 0);
    assert.deepEqual(entriesOf(stream), [["e", "1"]]);
  });

  it("answers BadArgument for a map type that does not exist", () => {
    for (const type of [8, -1]) assert.equal(inPhase(PHASE, setBlock(sound, type)), 2);
  });

  it("answers InvalidMemoryAccess for a block outside the memory", () => {
    const call = (guest: Guest): number => guest.call("proxy_set_header_map_pairs", 0, ...OUTSIDE);
    assert.equal(inPhase(PHASE, call), 6);
  });
});

describe("proxy_set_header_map_pairs in the wrong phase", () => {
  const bytes = block([["a", "1"]]);

  it("answers BadArgument for a map that is not there or has gone on", () => {
    for (const stream of [streamWithoutMaps(), streamReadOnly(OLD)]) {
      assert.equal(inPhase(PHASE, setBlock(bytes), { stream }), 2);
    }
  });

  for (const phase of [...ROOT_PHASES, ...ENDED_PHASES]) {
    it(`answers BadArgument in ${phase}`, () => {
      const stream = streamWithMap(OLD);
      assert.equal(inPhase(phase, setBlock(bytes), { stream }), 2);
      assert.deepEqual(entriesOf(stream), OLD);
    });
  }
});

describe("proxy_set_header_map_pairs edges", () => {
  it("takes the block that proxy_get_header_map_pairs has given", () => {
    const stream = streamWithMap(OLD);
    const status = inPhase(
      PHASE,
      (guest) => {
        const { ptr, len } = guest.fetch("proxy_get_header_map_pairs", 0);
        return guest.call("proxy_set_header_map_pairs", 0, ptr, len);
      },
      { stream },
    );
    assert.equal(status, 0);
    assert.deepEqual(entriesOf(stream), OLD);
  });

  it("takes 1024 pairs", () => {
    const stream = streamWithMap(OLD);
    const entries: Entries = Array.from({ length: 1024 }, (_, i) => [`h${i}`, "v"] as const);
    assert.equal(inPhase(PHASE, setBlock(block(entries)), { stream }), 0);
    assert.equal(entriesOf(stream).length, 1024);
  });
});
