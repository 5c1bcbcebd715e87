import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ENDED_PHASES, type Guest, inPhase, OUTSIDE, ROOT_PHASES } from "./guest.ts";

/** Lines that a guest with `level` as threshold leaves when it logs `text` at `at`. */
function logged(at: number, text: string | Uint8Array, level = 0): [number, readonly string[]] {
  return inPhase("proxy_on_request_headers", (guest) => {
    guest.thread.level = level;
    guest.thread.lines.length = 0;
    return [guest.call("proxy_log", at, ...guest.put(text)), [...guest.thread.lines]];
  });
}

describe("proxy_log works", () => {
  it("writes a line with the names of plugin, root and VM before it", () => {
    assert.deepEqual(logged(2, "hello"), [0, ["2 wasm log plugin root vm: hello"]]);
  });

  it("takes every level from trace to critical", () => {
    for (let level = 0; level <= 5; level++) {
      assert.deepEqual(logged(level, "x"), [0, [`${level} wasm log plugin root vm: x`]]);
    }
  });

  it("reads the message as UTF-8", () => {
    const [, lines] = logged(2, new TextEncoder().encode("gr\u00fc\u00dfe"));
    assert.equal(lines[0], "2 wasm log plugin root vm: gr\u00fc\u00dfe");
  });

  it("leaves out what lies below the threshold, and says OK", () => {
    assert.deepEqual(logged(2, "quiet", 3), [0, []]);
    assert.equal(logged(3, "loud", 3)[1].length, 1);
  });
});

describe("proxy_log misuse", () => {
  it("answers BadArgument for a level above critical", () => {
    assert.deepEqual(logged(6, "x"), [2, []]);
    assert.deepEqual(logged(-1, "x"), [2, []]);
  });

  it("answers InvalidMemoryAccess for a message outside the memory, at any threshold", () => {
    for (const level of [0, 6]) {
      const status = inPhase("proxy_on_request_headers", (guest) => {
        guest.thread.level = level;
        return guest.call("proxy_log", 2, ...OUTSIDE);
      });
      assert.equal(status, 6);
    }
  });

  it("names the level before the memory when both are wrong", () => {
    const log = (guest: Guest): number => guest.call("proxy_log", 9, ...OUTSIDE);
    assert.equal(inPhase("tick", log), 2);
  });
});

describe("proxy_log in every phase", () => {
  for (const phase of [...ROOT_PHASES, ...ENDED_PHASES]) {
    it(`writes in ${phase}`, () => {
      const lines = inPhase(phase, (guest) => {
        guest.thread.lines.length = 0;
        assert.equal(guest.call("proxy_log", 2, ...guest.put("here")), 0);
        return [...guest.thread.lines];
      });
      const prefix = phase === "startUp" ? "wasm log vm" : "wasm log plugin root vm";
      assert.deepEqual(lines, [`2 ${prefix}: here`]);
    });
  }

  it("writes in the allocator, which a hostcall has called", () => {
    const lines = inPhase("proxy_on_request_headers", (guest) => {
      const allocate = guest.allocate;
      guest.allocate = (size) => {
        assert.equal(guest.call("proxy_log", 2, ...guest.put("allocating")), 0);
        return allocate(size);
      };
      assert.equal(guest.fetch("proxy_get_header_map_pairs", 0).status, 0);
      return guest.thread.lines;
    });
    assert.ok(lines.some((line) => line.endsWith(": allocating")));
  });
});

describe("proxy_log edges", () => {
  it("takes an empty message with any pointer", () => {
    const status = inPhase("tick", (guest) => guest.call("proxy_log", 2, -1, 0));
    assert.equal(status, 0);
  });

  it("cuts a message that is longer than a log line may be", () => {
    const [status, lines] = inPhase("tick", (guest) => {
      guest.grow(2);
      guest.thread.lines.length = 0;
      return [guest.call("proxy_log", 2, 65_536, 100_000), guest.thread.lines] as const;
    });
    assert.equal(status, 0);
    assert.equal(lines[0]?.length, "2 wasm log plugin root vm: ".length + 65_536);
  });
});
