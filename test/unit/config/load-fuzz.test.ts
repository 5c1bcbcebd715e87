/** Damaged texts: always a configuration or problems, never an exception. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { formatProblems } from "../../../src/config/load.ts";
import { bootstrapText, load, wasmFilter } from "./bootstrap-text.ts";
import { route, tls } from "./problem-rows.ts";

const TEXT = bootstrapText({
  filters: wasmFilter("root_id: r\nfail_open: true", "environment_variables: {key_values: {A: b}}"),
  hcm: "request_timeout: 3s\ncommon_http_protocol_options: {max_headers_count: 7}",
  chain: tls(
    "common_tls_context:\n  tls_certificates:\n  - certificate_chain: {filename: cert.pem}\n    private_key: {filename: key.pem}",
  ),
  ...route("weighted_clusters: {clusters: [{name: a, weight: 1}]}\nretry_policy: {retry_on: 5xx}"),
  top: "node: {id: x, metadata: {a: [1, {b: null}]}}",
});
const PIECES = [
  ..."[]{}:,-&*!|>'\"%@#\n\t\u0000é~?",
  "null",
  "true",
  "1e999",
  "-1",
  "18446744073709551616",
  "__proto__",
  '"@type"',
  "- ",
  "  ",
  "*t",
  "&t ",
  "<<: ",
  "\ud800",
  ".nan",
  "10s",
];

/** Replaces `cut` characters at `where` (0..1 of the text) by a piece. */
const edit = fc.record({
  where: fc.double({ min: 0, max: 1, noNaN: true }),
  cut: fc.nat({ max: 12 }),
  piece: fc.constantFrom(...PIECES),
});

function apply(
  text: string,
  edits: readonly { where: number; cut: number; piece: string }[],
): string {
  let damaged = text;
  for (const { where, cut, piece } of edits) {
    const at = Math.floor(where * damaged.length);
    damaged = damaged.slice(0, at) + piece + damaged.slice(at + cut);
  }
  return damaged;
}

function check(text: string, overlay?: string): boolean {
  const { config, problems } = load(text, overlay);
  formatProblems(problems);
  for (const { message, line, column } of problems) {
    assert.ok(message !== "" && line >= 1 && column >= 1);
    // The first pass must leave nothing for protobuf to refuse: protobuf knows no lines.
    assert.doesNotMatch(message, /cannot decode/);
  }
  return (config === null) === problems.length > 0;
}

describe("damaged configurations", () => {
  test("the text that is damaged is whole before", () => {
    assert.equal(formatProblems(load(TEXT).problems), "");
  });

  test("random edits give a configuration or problems", () => {
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) =>
        check(apply(TEXT, edits)),
      ),
      { seed: 7, numRuns: 300 },
    );
  });

  test("lines that are lost, doubled or moved in give a configuration or problems", () => {
    const lines = TEXT.split("\n");
    const line = fc.nat({ max: lines.length - 1 });
    fc.assert(
      fc.property(line, line, fc.nat({ max: 2 }), (from, to, lost) => {
        const moved = lines.toSpliced(to, lost, lines[from] ?? "");
        return check(moved.join("\n"));
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  test("a damaged overlay gives a configuration or problems", () => {
    const overlay = "node: {id: y}\nstatic_resources: {clusters: [{name: z, type: STATIC}]}";
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) =>
        check("node: {id: x}", apply(overlay, edits)),
      ),
      { seed: 7, numRuns: 200 },
    );
  });

  test("arbitrary JSON gives a configuration or problems", () => {
    fc.assert(
      fc.property(fc.json(), (json) => check(json)),
      { seed: 7, numRuns: 200 },
    );
  });

  test("nesting without end and alias bombs are refused", () => {
    assert.equal(check("node: {metadata: ".padEnd(50_000, "{a: ")), true);
    const levels = Array.from({ length: 12 }, (_, i) => {
      const items =
        i === 0
          ? "x"
          : Array(10)
              .fill(`*a${i - 1}`)
              .join(", ");
      return `a${i}: &a${i} [${items}]`;
    });
    const bomb = `node:\n  metadata:\n${levels.map((level) => `    ${level}\n`).join("")}`;
    const { problems } = load(bomb);
    assert.match(formatProblems(problems), /too large/);
  });
});
