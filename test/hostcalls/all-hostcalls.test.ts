/** What holds for every row of the hostcall table. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { STATUS } from "../../src/abi/enums.ts";
import { HOSTCALL_NAMES, HOSTCALLS, type HostcallName } from "../../src/abi/hostcall-table.ts";
import { type HostcallSpec, WIRE_ARITY } from "../../src/abi/hostcall-types.ts";
import { IMPLEMENTED_HOSTCALLS } from "../../src/vm/hostcalls/bodies.ts";
import { type Guest, inPhase, OUTSIDE, type Phase, ROOT_PHASES, type Wire } from "./guest.ts";

const isImplemented = (name: HostcallName): boolean => IMPLEMENTED_HOSTCALLS.includes(name);

/** Arguments of `name`: zeros, with slice `at` (if any) outside the memory. */
function wireOf(name: HostcallName, at = -1): readonly Wire[] {
  const spec: HostcallSpec = HOSTCALLS[name];
  return spec.params.flatMap(([, kind], index): readonly Wire[] => {
    if (index === at) return kind === "outBytes" ? [OUTSIDE[0], OUTSIDE[0]] : OUTSIDE;
    if (kind === "i64" || kind === "u64") return [1n];
    return Array<Wire>(WIRE_ARITY[kind]).fill(0);
  });
}

describe("every hostcall", () => {
  it("that is implemented has its test file", () => {
    assert.ok(IMPLEMENTED_HOSTCALLS.length > 20);
    for (const name of IMPLEMENTED_HOSTCALLS) {
      assert.ok(existsSync(fileURLToPath(new URL(`./${name}.test.js`, import.meta.url))), name);
    }
  });

  it("that is not implemented links, and answers Unimplemented", () => {
    const rest = HOSTCALL_NAMES.filter((name) => !isImplemented(name));
    assert.ok(rest.length > 0);
    const call = (guest: Guest): readonly number[] =>
      rest.map((name) => guest.call(name, ...wireOf(name)));
    assert.deepEqual(
      inPhase("proxy_on_request_headers", call),
      rest.map(() => 12),
    );
  });

  it("answers a status that its row declares, in every phase", () => {
    const phases: readonly Phase[] = [
      ...ROOT_PHASES,
      "proxy_on_context_create",
      "proxy_on_request_headers",
      "proxy_on_response_body",
      "proxy_on_log",
      "proxy_on_done",
      "proxy_on_delete",
    ];
    for (const phase of phases) {
      const statuses = inPhase(phase, (guest) =>
        HOSTCALL_NAMES.map((name) => guest.call(name, ...wireOf(name))),
      );
      HOSTCALL_NAMES.forEach((name, index) => {
        const spec: HostcallSpec = HOSTCALLS[name];
        const declared = isImplemented(name) ? spec.statuses.map((it) => STATUS[it]) : [12];
        const status = statuses[index] ?? -1;
        assert.ok(
          declared.some((it) => it === status),
          `${name} answers ${status} in ${phase}`,
        );
      });
    }
  });

  for (const name of IMPLEMENTED_HOSTCALLS) {
    const spec: HostcallSpec = HOSTCALLS[name];
    spec.params.forEach(([param, kind], index) => {
      if (kind !== "bytes" && kind !== "pairs") return;
      it(`${name} answers InvalidMemoryAccess for ${param} outside the memory`, () => {
        const call = (guest: Guest): number => guest.call(name, ...wireOf(name, index));
        assert.equal(inPhase("proxy_on_request_headers", call), 6);
      });
    });
  }

  it("answers InternalFailure when the capability restriction leaves it out", () => {
    const statuses = inPhase(
      "proxy_on_request_headers",
      (guest) => IMPLEMENTED_HOSTCALLS.map((name) => guest.call(name, ...wireOf(name))),
      { options: { allowed: ["proxy_on_request_headers"] } },
    );
    assert.deepEqual(
      statuses,
      IMPLEMENTED_HOSTCALLS.map(() => 10),
    );
  });

  it("works when the capability restriction names it", () => {
    const allowed = ["proxy_on_request_headers", "proxy_log"];
    const statuses = inPhase(
      "proxy_on_request_headers",
      (guest) => [guest.call("proxy_log", 2, ...guest.put("x")), guest.call("proxy_done")],
      { options: { allowed } },
    );
    assert.deepEqual(statuses, [0, 10]);
  });

  it("can be called from the allocator without entering it again", () => {
    const depth = inPhase("proxy_on_request_headers", (guest) => {
      let nested = 0;
      let status = -1;
      const allocate = guest.allocate;
      guest.allocate = (size) => {
        nested++;
        assert.ok(nested < 3, "the allocator is entered again");
        status = guest.fetch("proxy_get_property", ...guest.put("plugin_name")).status;
        return allocate(size);
      };
      guest.fetch("proxy_get_header_map_pairs", 0);
      return [nested, status];
    });
    assert.equal(depth[0], 1);
    assert.notEqual(depth[1], 0);
  });
});
