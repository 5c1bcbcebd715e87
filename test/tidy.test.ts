/**
 * Style as a test: each rule runs over the whole of `src`, and is shown a bad sample that it must
 * refuse. A rule that sees no file fails.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { filesUnder, ROOT } from "./tidy/files.ts";
import { functionSpans } from "./tidy/functions.ts";
import { IMPORT_TABLE } from "./tidy/import-table.ts";
import {
  bannedCalls,
  headComment,
  hotModules,
  importDirections,
  isHot,
  packageDoors,
  RULES,
  type Rule,
  sizes,
} from "./tidy/rules.ts";
import { readSource } from "./tidy/source-text.ts";

const sources = filesUnder("src");
const tests = filesUnder("test");

describe("the sources", () => {
  it("are there to be seen", () => {
    assert.ok(sources.length > 50, `${sources.length} files`);
    assert.ok(sources.some(({ text }) => isHot(text)));
    for (const folder of ["base", "silo", "vm", "main"]) {
      assert.ok(sources.some(({ path }) => path.startsWith(`${folder}/`)));
    }
  });

  for (const [name, rule] of Object.entries(RULES)) {
    it(`hold: ${name}`, () => {
      assert.deepEqual(sources.flatMap(rule), []);
    });
  }
});

describe("the tests", () => {
  it("are there to be seen", () => {
    assert.ok(tests.filter(({ path }) => path.endsWith(".test.ts")).length > 10);
  });

  it("leave no test focused alone", () => {
    const focused = tests.filter(({ text }) => ONLY.test(readSource(text).code));
    assert.deepEqual(
      focused.map(({ path }) => path),
      [],
    );
  });

  it("lie in a folder of src when they are units", () => {
    const units = tests.filter(({ path }) => /^unit\/.*\.test\.ts$/.test(path));
    const lost = units.filter(({ path }) => !existsSync(join(ROOT, "src", unitFolder(path))));
    assert.ok(units.length > 0);
    assert.deepEqual(
      lost.map(({ path }) => path),
      [],
    );
  });
});

/** `vm/hostcalls` of `unit/vm/hostcalls/log.test.ts`. */
function unitFolder(path: string): string {
  return path.split("/").slice(1, -1).join("/");
}

const ONLY = /\b(?:it|test|describe)\s*\.\s*only\b|\bonly\s*:\s*true/;

/** Asserts that `rule` finds exactly one violation in `text` and none in `good`. */
function refuses(rule: Rule, path: string, text: string, good: string): void {
  assert.equal(rule({ path, text }).length, 1, text);
  assert.deepEqual(rule({ path, text: good }), []);
}

describe("the rules", () => {
  it("refuse an import against the table, and know type imports of the configuration", () => {
    const down = 'import { assert } from "../base/assert.ts";';
    refuses(importDirections, "abi/a.ts", 'import { x } from "../shm/x.ts";', down);
    refuses(importDirections, "shm/a.ts", 'import {\n  x,\n} from "../silo/x.ts";', down);
    refuses(importDirections, "http/h1/a.ts", 'export * from "../../vm/x.ts";', "");
    const types = 'import type { GranaryConfig } from "../config/types.ts";';
    refuses(importDirections, "vm/a.ts", types.replace("import type", "import"), types);
    const messages = 'import type { SiloBoot } from "../silo/messages.ts";';
    refuses(importDirections, "main/a.ts", messages.replace("messages", "stream"), messages);
    assert.equal(importDirections({ path: "utils/a.ts", text: "" }).length, 1);
  });

  it("name only folders that exist in the import table, and every folder", () => {
    const folders = new Set(sources.map(({ path }) => path.split("/")[0] ?? ""));
    for (const folder of folders) assert.ok(folder in IMPORT_TABLE, folder);
  });

  it("refuse a package outside its door, and one without a door", () => {
    const yaml = 'import { parseDocument } from "yaml";';
    assert.deepEqual(packageDoors({ path: "config/yaml.ts", text: yaml }), []);
    refuses(packageDoors, "config/a.ts", yaml, 'import { readFileSync } from "node:fs";');
    refuses(packageDoors, "config/a.ts", 'import "left-pad/x";', "");
    refuses(packageDoors, "vm/a.ts", 'import { X } from "@bufbuild/protobuf/wkt";', "");
  });

  it("refuse long files, long lines and long functions", () => {
    refuses(sizes, "a.ts", "const a = 1;\n".repeat(401), "const a = 1;\n".repeat(400));
    refuses(sizes, "a.ts", `const a = ${"1".repeat(100)};`, `// https://${"x".repeat(100)}`);
    const body = (count: number) => `function f() {\n${"g();\n".repeat(count)}}\n`;
    refuses(sizes, "a.ts", body(69), body(68));
  });

  it("refuse calls that have a replacement, except where the replacement lives", () => {
    for (const [path, text] of [
      ["vm/a.ts", "console.log(1);"],
      ["vm/a.ts", "const t = Date.now();"],
      ["vm/a.ts", "const d = new Date();"],
      ["vm/a.ts", "const r = Math.random();"],
      ["vm/a.ts", "setTimeout(run, 1);"],
      ["vm/a.ts", "const x = y as any;"],
      ["vm/a.ts", "enum A { b }"],
      ["silo/a.ts", "process.exit(1);"],
    ] as const) {
      refuses(bannedCalls, path, text, `// ${text}\nconst s = "${text}";`);
    }
    assert.deepEqual(bannedCalls({ path: "base/clock.ts", text: "setTimeout(run, 1);" }), []);
    assert.deepEqual(bannedCalls({ path: "main/signals.ts", text: "setTimeout(run, 1);" }), []);
  });

  it("refuse slow things in hot files only", () => {
    const hot = (code: string) => `/**\n * Says what.\n * @hot per-chunk\n */\n${code}\n`;
    const cold = (code: string) => `/**\n * Says what.\n */\n${code}\n`;
    for (const code of [
      "async function f() {}",
      "let p: Promise<void>;",
      "const m = /a/.test(b);",
      "const r = new RegExp(b);",
    ]) {
      refuses(hotModules, "a.ts", hot(code), cold(code));
      assert.deepEqual(hotModules({ path: "a.ts", text: hot(`// ${code}`) }), []);
    }
    assert.deepEqual(hotModules({ path: "a.ts", text: hot("const q = a / b / c;") }), []);
    const setup = "/** Setup time. */\nfunction f(a: string) {\n  /a/.test(a);\n}\n";
    refuses(hotModules, "a.ts", hot(`${setup}function g() {\n  /a/.test(a);\n}`), hot(setup));
  });

  it("refuse a file that does not say what it is", () => {
    refuses(headComment, "a.ts", "export const a = 1;", "/**\n * Says what.\n */\n");
  });

  it("find a focused test", () => {
    assert.ok(ONLY.test(readSource('it.only("x", () => {});').code));
    assert.ok(!ONLY.test(readSource('it("it.only");').code));
  });
});

describe("the lexer", () => {
  it("blanks comments, strings, templates and regexes, and keeps code inside substitutions", () => {
    const { code, regexOffsets } = readSource(
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the sample is code in a string.
      'a("x{"); // {\n/* } */ b(`t{${c({ d: "}" })}`); e = /[/}]{1}/g; f = g / h / i;',
    );
    assert.equal(code.match(/[{}]/g)?.join(""), "{{}}");
    assert.match(code, /c\(\{ d: /);
    assert.match(code, /f = g \/ h \/ i;/);
    assert.equal(regexOffsets.length, 1);
    assert.equal(code.split("\n").length, 2);
  });

  it("finds declarations, methods and arrows, and no other braces", () => {
    const code = [
      "function one(a: number): { b: number } {}",
      "class A { two<T>(x: T): void {} get three() {} #four(): Map<string, number> {} }",
      "const five = (a: () => void) => {};",
      "if (a(b)) {} for (;;) {} while (x) {} switch (y) {} try {} catch (e) {}",
      "const o = { a: f(1), b: { c: 2 } };",
    ].join("\n");
    const names = functionSpans(code).map(({ name }) => name);
    for (const name of ["two", "three", "#four", "arrow function"]) assert.ok(names.includes(name));
    assert.equal(names.length, 5);
  });
});
