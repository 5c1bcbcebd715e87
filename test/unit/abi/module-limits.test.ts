/** What a module may take of memory, tables and the engine's own time is bounded. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { rewriteModule } from "../../../src/abi/module-rewriter.ts";
import type { RewriteOptions } from "../../../src/abi/rewriting.ts";
import { LIMITS } from "../../../src/base/limits.ts";
import { REPOSITORY_ROOT } from "../../harness/filter-rig.ts";
import { METERED, modernWat, refusal, rewritten } from "../../harness/metered.ts";
import { prng } from "../../harness/prng.ts";
import { leb, moduleOf, section } from "./module-bytes.ts";

const KINDS: readonly RewriteOptions["budget"][] = ["metered", "unmetered"];

const GROW = '(func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))';
const look = { granary: { look: () => 1 } };

function instantiate(
  bytes: Uint8Array,
  imports: WebAssembly.Imports = {},
): Record<string, unknown> {
  const module = new WebAssembly.Module(bytes);
  return new WebAssembly.Instance(module, { ...imports, ...look }).exports;
}

for (const budget of KINDS) {
  describe(`limits of ${budget} modules`, () => {
    for (const [name, memory] of [
      ["without a maximum", "(memory 2)"],
      ["with a higher maximum", "(memory 2 60000)"],
    ] as const) {
      it(`memory.grow gives -1 over the limit: a memory ${name}`, () => {
        const bytes = rewritten(modernWat(`(module ${memory} ${GROW})`), { pagesMax: 4, budget });
        const grow = instantiate(bytes)["grow"] as (pages: number) => number;
        assert.deepEqual([grow(1), grow(2), grow(1), grow(1)], [2, -1, 3, -1]);
      });
    }

    it("a lower maximum of the module's own stays", () => {
      const bytes = rewritten(modernWat(`(module (memory 1 2) ${GROW})`), { pagesMax: 4, budget });
      const grow = instantiate(bytes)["grow"] as (pages: number) => number;
      assert.deepEqual([grow(1), grow(1)], [1, -1]);
    });

    it("an imported memory must have the limit too", () => {
      const text = `(module (import "env" "memory" (memory 1)) ${GROW})`;
      const bytes = rewritten(modernWat(text), { pagesMax: 4, budget });
      const withMaximum = (maximum: number) => ({
        env: { memory: new WebAssembly.Memory({ initial: 1, maximum }) },
      });
      assert.throws(() => instantiate(bytes, withMaximum(5)), WebAssembly.LinkError);
      const grow = instantiate(bytes, withMaximum(4))["grow"] as (pages: number) => number;
      assert.deepEqual([grow(3), grow(1)], [1, -1]);
    });

    it("memory.grow asks for the pages there would be, and gives -1 when they are refused", () => {
      const text = `(module (memory 2) ${GROW} (func (export "size") (result i32) (memory.size)))`;
      const bytes = rewritten(modernWat(text), { pagesMax: 9, budget: "metered", growth: "asked" });
      const asked: number[] = [];
      const answer = (pages: number): number => {
        asked.push(pages);
        return pages > 5 ? -1 : 1;
      };
      const module = new WebAssembly.Module(bytes);
      const { exports } = new WebAssembly.Instance(module, { granary: { look: answer } });
      const grow = exports["grow"] as (pages: number) => number;
      const size = exports["size"] as () => number;
      assert.deepEqual([grow(3), grow(1), grow(0), grow(-1), size()], [2, -1, 5, -1, 5]);
      // 2 ** 32 - 1 more than 5 is 4: the engine refuses what the host could not see.
      assert.deepEqual(
        asked.filter((pages) => pages !== 0),
        [5, 6, 5, 4],
      );
    });

    it("table.grow gives -1 over the limit", () => {
      const text = `(module (table 1 funcref)
        (func (export "grow") (param i32) (result i32) (table.grow (ref.null func) (local.get 0))))`;
      const bytes = rewritten(modernWat(text), { tableElementsMax: 3, budget });
      const grow = instantiate(bytes)["grow"] as (count: number) => number;
      assert.deepEqual([grow(2), grow(1)], [1, -1]);
    });

    for (const [name, text, reason] of [
      [
        "a memory",
        "(module (memory 65))",
        /memory section: .*4.0625 MiB at its start; the limit is 4 MiB/,
      ],
      [
        "an imported memory",
        '(module (import "env" "m" (memory 65)))',
        /import section: .*limit is 4 MiB/,
      ],
      [
        "a table",
        "(module (table 1001 funcref))",
        /table section: .*1001 elements; the limit is 1000/,
      ],
    ] as const) {
      it(`${name} that starts over its limit is refused`, () => {
        assert.match(refusal(modernWat(text), { budget }), reason);
      });
    }
  });
}

describe("modules that ask for much in few bytes", () => {
  const bodies = Array.from({ length: 251 }, () => [6, 1, ...leb(40_000), 0x7f, 0x0b]).flat();
  for (const [name, bytes, reason] of [
    ["locals", moduleOf(section(10, [...leb(251), ...bodies])), /more than 10000000 locals/],
    [
      "functions",
      moduleOf(
        section(3, [
          ...leb(LIMITS.moduleFunctions + 1),
          ...Array(LIMITS.moduleFunctions + 1).fill(0),
        ]),
      ),
      /function section: impossible count/,
    ],
    [
      "exports",
      moduleOf(section(7, [...leb(LIMITS.moduleExports + 1), ...Array(40_000).fill(0)])),
      /export section: impossible count/,
    ],
    [
      "imports",
      moduleOf(section(2, [...leb(LIMITS.moduleImports + 1), ...Array(40_000).fill(0)])),
      /import section: impossible count/,
    ],
    [
      "tables",
      moduleOf(section(4, [...leb(LIMITS.moduleTables + 1), ...Array(100).fill(0x70)])),
      /table section: impossible count/,
    ],
    [
      "globals",
      moduleOf(
        section(6, [...leb(LIMITS.moduleGlobals + 1), ...Array(LIMITS.moduleGlobals + 9).fill(0)]),
      ),
      /global section: impossible count/,
    ],
  ] as const) {
    it(`are refused before the engine sees them: ${name}`, () => {
      assert.match(refusal(bytes), reason);
    });
  }

  it("are refused before the engine sees them: elements", () => {
    const half = Array(600_000).fill(0);
    const segment = [1, 0, ...leb(600_000), ...half];
    const bytes = moduleOf(
      section(1, [1, 0x60, 0, 0]),
      section(3, [1, 0]),
      section(9, [2, ...segment, ...segment]),
      section(10, [1, 2, 0, 0x0b]),
    );
    assert.match(refusal(bytes), /more than 1000000 elements/);
  });
});

describe("rewriting hostile bytes", () => {
  const greeting = readFileSync(
    join(REPOSITORY_ROOT, "examples/filters/assemblyscript/greeting/greeting.wasm"),
  );

  it("never throws, whatever is changed, cut or put in", () => {
    const random = prng(6);
    let refused = 0;
    for (let round = 0; round < 400; round++) {
      const bytes = Uint8Array.from(greeting);
      for (let change = 0; change <= round % 4; change++) {
        bytes[8 + Math.floor(random() * (bytes.length - 8))] = Math.floor(random() * 256);
      }
      const cut = round % 3 === 0 ? bytes.subarray(0, Math.floor(random() * bytes.length)) : bytes;
      if (rewriteModule(cut, METERED).kind === "refused") refused++;
    }
    assert.ok(refused > 50, `${refused} refused`);
  });
});
