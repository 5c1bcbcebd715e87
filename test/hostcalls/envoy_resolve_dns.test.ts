import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LIMITS } from "../../src/base/limits.ts";
import type { DnsReply } from "../../src/vm/roles.ts";
import { Guest, inPhase, OUTSIDE, OUTSIDE_PTR, ROOT_PHASES } from "./guest.ts";

const resolve = (guest: Guest, name: string) =>
  guest.fetchU32("envoy_resolve_dns", ...guest.put(name));

/** What the guest is told when `reply` comes, as `<token> <size> <buffer 8 in hex>`. */
function told(reply: DnsReply): readonly string[] {
  const lines: string[] = [];
  const guest = new Guest();
  guest.on("proxy_on_configure", (inner) => {
    resolve(inner, "a.example");
    return 1;
  });
  guest.on("envoy_on_resolve_dns", (inner, [, token, size]) => {
    const { text } = inner.fetch("proxy_get_buffer_bytes", 8, 0, 1_000);
    lines.push(`${token} ${size} ${Buffer.from(text ?? "", "latin1").toString("hex")}`);
    return 0;
  });
  guest.start();
  assert.equal(guest.thread.lookUps[0]?.name, "a.example");
  guest.thread.lookUps[0]?.answer(reply);
  return lines;
}

describe("envoy_resolve_dns works", () => {
  it("gives tokens from 2 on", () => {
    const got = inPhase("proxy_on_configure", (guest) => [
      resolve(guest, "a"),
      resolve(guest, "b"),
    ]);
    assert.deepEqual(got, [
      [0, 2],
      [0, 3],
    ]);
  });

  it("tells addresses with port 0 and their time to live, as Envoy does", () => {
    const text = Buffer.from("127.0.0.1:0\0[::1]:0\0").toString("hex");
    const lines = told({ addresses: ["127.0.0.1", "::1"], ttlS: 7 });
    assert.deepEqual(lines, [`2 32 020000000700000007000000${text}`]);
  });

  it("tells a name without addresses as count 0, and a failure as nothing", () => {
    assert.deepEqual(told({ addresses: [], ttlS: 0 }), ["2 4 00000000"]);
    assert.deepEqual(told({ addresses: null, ttlS: 0 }), ["2 0 "]);
  });
});

describe("envoy_resolve_dns misuse", () => {
  it("answers InvalidMemoryAccess and looks nothing up for pointers outside the memory", () => {
    const got = inPhase("proxy_on_configure", (guest) => [
      guest.call("envoy_resolve_dns", ...OUTSIDE, guest.out()),
      guest.call("envoy_resolve_dns", ...guest.put("a"), OUTSIDE_PTR),
      guest.thread.lookUps.length,
    ]);
    assert.deepEqual(got, [6, 6, 0]);
  });

  it("answers BadArgument for a name that no name can be as long as", () => {
    const name = "a".repeat(LIMITS.dnsNameBytes + 1);
    assert.deepEqual(
      inPhase("tick", (guest) => resolve(guest, name)),
      [2, null],
    );
  });

  it("answers InternalFailure over the cap, until answers come", () => {
    const got = inPhase("tick", (guest) => {
      const args = [...guest.put("a"), guest.out()] as const;
      for (let i = 0; i < LIMITS.dnsQueriesCount; i++) {
        assert.equal(guest.call("envoy_resolve_dns", ...args), 0);
      }
      return [guest.call("envoy_resolve_dns", ...args), guest.thread.lookUps.length];
    });
    assert.deepEqual(got, [10, LIMITS.dnsQueriesCount]);
  });
});

describe("envoy_resolve_dns in the wrong phase", () => {
  it("answers BadArgument in the VM context, which nobody can answer to", () => {
    assert.deepEqual(
      inPhase("startUp", (guest) => resolve(guest, "a")),
      [2, null],
    );
  });

  for (const phase of ROOT_PHASES.filter((it) => it !== "startUp")) {
    it(`works in ${phase}`, () => {
      assert.equal(inPhase(phase, (guest) => resolve(guest, "a"))[0], 0);
    });
  }
});

describe("envoy_resolve_dns edges", () => {
  it("tells nothing to a plugin that has ended or a VM that failed", () => {
    for (const end of ["delete", "trap"] as const) {
      let told = 0;
      const guest = new Guest();
      guest.on("proxy_on_tick", (inner) => {
        resolve(inner, "a");
        if (end === "trap") throw new Error("trap");
        return 0;
      });
      guest.on("envoy_on_resolve_dns", () => {
        told++;
        return 0;
      });
      guest.start();
      guest.root.setTick(1);
      guest.thread.timers.advance(1);
      if (end === "delete") guest.root.finish(() => undefined);
      guest.thread.lookUps[0]?.answer({ addresses: [], ttlS: 0 });
      assert.equal(told, 0, end);
    }
  });
});
