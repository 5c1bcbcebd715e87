/** Versions of one Wasm filter, and fractions of requests. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { VERSIONS, wasmFilter } from "./bootstrap-text.ts";
import { firstRoute, wasm } from "./good-config.ts";
import { match, type Row, runRows } from "./problem-rows.ts";

/** The filter with these further fields of WasmVersions. */
function versions(fields: string): { readonly filters: string } {
  const typed = wasmFilter().replace(/"@type": \S+/, `"@type": ${VERSIONS}\n${indented(fields)}`);
  return { filters: typed };
}

const indented = (fields: string): string => fields.replaceAll(/^/gm, "    ");

const OTHER = "{vm_config: {vm_id: other, code: {local: {filename: ok.wasm}}}}";

describe("versions of a Wasm filter", () => {
  test("have the filter's own fields where they say nothing", () => {
    const filter = wasm(
      versions(
        "weighted:\n- {name: a, weight: 2}\n- {name: b, weight: 1, config: {root_id: r}}\n" +
          `- {name: c, headers: [{name: X-V, present_match: true}], config: ${OTHER}}`,
      ),
    );
    const { weighted, totalWeight, shadows } = filter.versions ?? assert.fail();
    assert.deepEqual(
      weighted.map(({ name, weight, plugin }) => [name, weight, plugin.name, plugin.rootId]),
      [
        ["a", 2, "p", ""],
        ["b", 1, "p", "r"],
        ["c", 0, "p", ""],
      ],
    );
    assert.deepEqual([totalWeight, shadows], [3, []]);
    const [a, b, c] = weighted.map(({ plugin }) => plugin);
    assert.equal(a?.vm, b?.vm, "versions without code share the filter's VM");
    assert.notEqual(a?.vm.vmKey, c?.vm.vmKey);
    assert.equal(a?.mode, "live");
    assert.deepEqual(
      weighted[2]?.headers.map(({ name }) => name),
      ["x-v"],
    );
  });

  test("as shadows fail closed, so that failures are seen, and take a share", () => {
    const filter = wasm(
      versions(
        "shadows:\n- {name: s, config: {failure_policy: FAIL_OPEN}}\n" +
          "- {name: t, fraction: {numerator: 5, denominator: TEN_THOUSAND}}",
      ),
    );
    const { shadows } = filter.versions ?? assert.fail();
    assert.deepEqual(
      shadows.map(({ name, share, plugin }) => [name, share, plugin.mode, plugin.failurePolicy]),
      [
        ["s", 1, "shadow", "closed"],
        ["t", 0.0005, "shadow", "closed"],
      ],
    );
  });
});

test("runtime_fraction is a route's share of the requests", () => {
  const share = (fields: string) => firstRoute(match(`prefix: "/"\n${fields}`)).match.share;
  assert.equal(share("runtime_fraction: {default_value: {numerator: 25}}"), 0.25);
  assert.equal(share("case_sensitive: true"), 1);
});

const ROWS: readonly Row[] = [
  [
    "versions without a weight",
    versions("weighted: # <<\n- {name: a, weight: 0}"),
    "weighted",
    "no version has a weight",
  ],
  [
    "two versions of one name",
    versions("weighted:\n- {name: a, weight: 1}\n- {name: a, weight: 1} # <<"),
    "weighted[1].name",
    'two versions "a"',
  ],
  [
    "a version without a name",
    versions("weighted:\n- {weight: 1} # <<"),
    "weighted[0].name",
    "must not be empty",
  ],
  [
    "an unknown field of a version",
    versions("weighted:\n- {name: a, weight: 1, wieght: 2} # <<"),
    "weighted[0].wieght",
    "weight",
  ],
  [
    "a shadow of more than all requests",
    versions("shadows:\n- {name: a, fraction: {numerator: 101}} # <<"),
    "fraction.numerator",
    "more than the denominator",
  ],
  [
    "a route of more than all requests",
    match('prefix: "/"\nruntime_fraction: {default_value: {numerator: 200}} # <<'),
    "default_value.numerator",
    "more than the denominator",
  ],
];

describe("a problem of versions is named", () => runRows(ROWS));
