import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { STATUS } from "../../../../src/abi/enums.ts";
import { HOSTCALLS, type HostcallName } from "../../../../src/abi/hostcall-table.ts";
import { type HostcallSpec, WIRE_ARITY } from "../../../../src/abi/hostcall-types.ts";
import { IMPLEMENTED_HOSTCALLS } from "../../../../src/vm/hostcalls/bodies.ts";
import { HostcallFixture } from "../../../harness/hostcall-fixture.ts";

/** The words that break pointer arithmetic, as a guest passes them: signed. */
const WORDS = [0, 1, 4, 64, 1024, 65_532, 65_535, 65_536, 0x7fffffff, -0x80000000, -65_536, -4, -1];
const LONGS = [0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n)];

const word = fc.oneof(fc.constantFrom(...WORDS), fc.integer());
const long = fc.oneof(fc.constantFrom(...LONGS), fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n));

function wireOf(name: HostcallName): fc.Arbitrary<(number | bigint)[]> {
  const spec: HostcallSpec = HOSTCALLS[name];
  const words = spec.params.flatMap(([, kind]): fc.Arbitrary<number | bigint>[] =>
    kind === "i64" || kind === "u64"
      ? [long]
      : Array.from({ length: WIRE_ARITY[kind] }, () => word),
  );
  return fc.tuple(...words);
}

function phase(fixture: HostcallFixture, index: number): void {
  if (index === 0) fixture.enterStream();
  else if (index === 1) fixture.enterRoot();
  else if (index === 2) fixture.enterVm();
  else fixture.vm.call.pluginConfigReadable = true;
}

describe("hostcalls with any arguments", () => {
  for (const name of IMPLEMENTED_HOSTCALLS) {
    it(`${name} answers a status of its row and never throws`, () => {
      const fixture = new HostcallFixture();
      fixture.stream.bodies[0] = new Uint8Array(Buffer.from("body"));
      fixture.stream.values["a"] = null;
      fixture.thread.level = 6;
      const statuses: HostcallSpec["statuses"] = HOSTCALLS[name].statuses;
      const declared = new Set(statuses.map((status): number => STATUS[status]));
      fc.assert(
        fc.property(wireOf(name), fc.nat(3), (wire, where) => {
          phase(fixture, where);
          const status = fixture.call(name, ...wire);
          assert.ok(declared.has(status), `${name}(${wire.join(", ")}) = ${status}`);
          assert.ok(fixture.vm.running);
        }),
        { seed: 3, numRuns: 400 },
      );
    });
  }
});
