/** Runs tables of faulty configurations; see `load-shape.test.ts` for how a row reads. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { formatProblems } from "../../../src/config/load.ts";
import type { Holes } from "./bootstrap-text.ts";
import { bootstrapText, LOGGERS, load, TLS } from "./bootstrap-text.ts";

/**
 * Name; the text, or the holes of one, with `# <<` on the line that must be named; the end of the
 * path; words of the message or of the hint.
 */
export type Row = readonly [name: string, text: Holes | string, path: string, words: string];

export const ROUTE = 'match: {prefix: "/"}';

export function indent(columns: number, text: string): string {
  return text.replaceAll(/^/gm, " ".repeat(columns));
}

/** One route with these fields of the `route` action. */
export function route(fields: string): Holes {
  return { routes: `- ${ROUTE}\n  route:\n${indent(4, fields)}` };
}

/** One route with these fields of `match`. */
export function match(fields: string): Holes {
  return { routes: `- match:\n${indent(4, fields)}\n  route: {cluster: a}` };
}

/** A TLS transport socket with these fields of the context. */
export function tls(fields: string, kind: "Downstream" | "Upstream" = "Downstream"): string {
  const type = `"@type": ${TLS}${kind}TlsContext`;
  return `transport_socket:\n  name: tls\n  typed_config:\n    ${type}\n${indent(4, fields)}`;
}

/** An access logger of this type (`stream.v3.StdoutAccessLog`) with these fields. */
export function log(type: string, fields: string): Holes {
  const config = `    "@type": ${LOGGERS}${type}\n${indent(4, fields)}`;
  return { hcm: `access_log:\n- name: l\n  typed_config:\n${config}` };
}

/** One test a row. */
export function runRows(rows: readonly Row[]): void {
  for (const [name, holes, path, words] of rows) {
    test(`${name} is reported with path, line and advice`, () => {
      const text = typeof holes === "string" ? holes : bootstrapText(holes);
      const line = text.split("\n").findIndex((l) => l.includes("# <<")) + 1;
      assert.notEqual(line, 0, "the row marks a line");
      const { config, problems } = load(text);
      assert.equal(config, null);
      const shown = formatProblems(problems);
      const found = problems.find(
        (p) => p.path.endsWith(path) && `${p.message} ${p.hint}`.includes(words),
      );
      assert.ok(found, `no problem at "${path}" says "${words}" in\n${shown}`);
      assert.equal(found.line, line, shown);
      assert.ok(found.column >= 1);
      assert.equal(problems.length, 1, `one fault, one problem:\n${shown}`);
    });
  }
}
