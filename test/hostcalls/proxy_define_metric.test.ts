import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LIMITS } from "../../src/base/limits.ts";
import { ENDED_PHASES, type Guest, inPhase, OUTSIDE, OUTSIDE_PTR, ROOT_PHASES } from "./guest.ts";

const define =
  (kind: number, name: string) =>
  (guest: Guest): readonly [number, number | null] =>
    guest.fetchU32("proxy_define_metric", kind, ...guest.put(name));

describe("proxy_define_metric works", () => {
  it("gives ids whose low bits tell counter, gauge and histogram", () => {
    const got = inPhase("proxy_on_configure", (guest) =>
      [0, 1, 2].map((kind) => define(kind, `m${kind}`)(guest)),
    );
    got.forEach(([status, id], kind) => {
      assert.equal(status, 0);
      assert.equal((id ?? 0) & 3, kind);
      assert.ok((id ?? 0) >= 4);
    });
  });

  it("gives different metrics different ids", () => {
    const ids = inPhase("proxy_on_configure", (guest) =>
      ["a", "b", "c"].map((name) => define(0, name)(guest)[1]),
    );
    assert.equal(new Set(ids).size, 3);
  });

  it("lets every id of one name count on the same metric", () => {
    const value = inPhase("proxy_on_configure", (guest) => {
      const [, one] = define(0, "same")(guest);
      const [, two] = define(0, "same")(guest);
      guest.call("proxy_increment_metric", one ?? 0, 1n);
      guest.call("proxy_increment_metric", two ?? 0, 2n);
      const ptr = guest.out();
      guest.call("proxy_get_metric", one ?? 0, ptr);
      return guest.u64(ptr);
    });
    assert.equal(value, 3n);
  });

  it("passes the name on as it is", () => {
    const names = inPhase("proxy_on_configure", (guest) => {
      define(0, "envoy_requests_total_code_200_\u00e9")(guest);
      return [...guest.thread.metricHandles.keys()];
    });
    assert.deepEqual(names, ["0 envoy_requests_total_code_200_\u00e9"]);
  });
});

describe("proxy_define_metric misuse", () => {
  it("answers BadArgument for a kind that does not exist, before all else", () => {
    for (const kind of [3, -1]) {
      assert.deepEqual(inPhase("tick", define(kind, "m")), [2, null]);
      const outside = (guest: Guest): number =>
        guest.call("proxy_define_metric", kind, ...OUTSIDE, OUTSIDE_PTR);
      assert.equal(inPhase("tick", outside), 2);
    }
  });

  it("answers InvalidMemoryAccess for a name or pointer outside, and defines nothing", () => {
    const got = inPhase("tick", (guest) => [
      guest.call("proxy_define_metric", 0, ...OUTSIDE, guest.out()),
      guest.call("proxy_define_metric", 0, ...guest.put("m"), OUTSIDE_PTR),
      guest.thread.metricHandles.size,
    ]);
    assert.deepEqual(got, [6, 6, 0]);
  });

  const refused: readonly (readonly [string, string])[] = [
    ["one too many", "refused"],
    ["without a name", ""],
    ["with a name that is too long", "m".repeat(LIMITS.metricNameBytes + 1)],
  ];
  for (const [what, name] of refused) {
    it(`gives a metric ${what} an id that counts nothing, and says so once in the log`, () => {
      inPhase("tick", (guest) => {
        guest.thread.lines.length = 0;
        for (const kind of [0, 1, 2]) {
          const [status, id] = define(kind, name)(guest);
          assert.equal(status, 0);
          assert.equal((id ?? 0) & 3, kind);
          assert.equal(guest.call("proxy_record_metric", id ?? 0, 5n), 0);
          if (kind === 2) continue;
          assert.equal(guest.call("proxy_increment_metric", id ?? 0, 5n), 0);
          const ptr = guest.out();
          assert.equal(guest.call("proxy_get_metric", id ?? 0, ptr), 0);
          assert.equal(guest.u64(ptr), 0n);
        }
        assert.equal(guest.thread.refusedCount, 7);
        assert.equal(guest.thread.metricValues.size, 0);
        assert.equal(guest.thread.lines.length, 1);
      });
    });
  }
});

describe("proxy_define_metric in every phase", () => {
  for (const phase of [...ROOT_PHASES, "proxy_on_response_body" as const, ...ENDED_PHASES]) {
    it(`defines in ${phase}`, () => {
      assert.equal(inPhase(phase, define(0, "m"))[0], 0);
    });
  }
});

describe("proxy_define_metric edges", () => {
  it("keeps metrics of one name and different kinds apart", () => {
    const [counter, gauge] = inPhase("tick", (guest) => [
      define(0, "m")(guest)[1],
      define(1, "m")(guest)[1],
    ]);
    assert.notEqual(counter, gauge);
  });
});
