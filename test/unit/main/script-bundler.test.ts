import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { SourceMap } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { bundleScript } from "../../../src/main/script-bundler.ts";

const folder = mkdtempSync(join(tmpdir(), "granary-bundle-"));
after(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

test("types are stripped, imports of types and of node's modules do not become part of it", () => {
  const path = write(
    "a.ts",
    `import type { Filter } from "granary";
     import { createHash } from "node:crypto";
     interface Never { readonly in: "the script" }
     export default { onLog: (): string => createHash("sha256").digest("hex") } satisfies Filter;`,
  );
  const { text, problems } = bundleScript(path);
  assert.deepEqual(problems, []);
  assert.match(text, /require\("node:crypto"\)/);
  const code = text.slice(0, text.indexOf("//# sourceMappingURL"));
  assert.doesNotMatch(code, /granary"|interface|satisfies/);
});

test("JavaScript modules are taken as they are", () => {
  for (const name of ["b.mjs", "b.js"]) {
    const { text, problems } = bundleScript(write(name, "export const onLog = () => 7;"));
    assert.deepEqual(problems, []);
    assert.match(text, /onLog = \(\) => 7/);
  }
});

test("the source map leads back to the lines of each file", () => {
  write("part.ts", "// first\nexport function part(): never {\n  throw new Error('here');\n}\n");
  const path = write("main.ts", 'import { part } from "./part.ts";\nexport const onLog = part;\n');
  const { text, name, files } = bundleScript(path);
  assert.deepEqual([...files].sort(), [join(folder, "main.ts"), join(folder, "part.ts")]);
  const map = new SourceMap(
    JSON.parse(Buffer.from(text.split("base64,")[1] ?? "", "base64").toString()),
  );
  const line = text.split("\n").findIndex((part) => part.includes("throw new Error"));
  const entry = map.findEntry(line, 2);
  assert.ok("originalSource" in entry);
  assert.equal(new URL(entry.originalSource, name).href, `file://${join(folder, "part.ts")}`);
  assert.equal(entry.originalLine, 2);
});

test("every error is told with its place, and the file with the error is known", () => {
  const part = write("bad-part.ts", "export const x = ;\n");
  const path = write(
    "bad.ts",
    'import { x } from "./bad-part.ts";\nimport "./none.ts";\nexport { x };\n',
  );
  const { problems, files } = bundleScript(path);
  assert.equal(problems.length, 2);
  assert.ok(problems.some((problem) => problem.startsWith(`${part}:1:18: Unexpected ";"`)));
  assert.ok(problems.some((problem) => problem.startsWith(`${path}:2:8: Could not resolve`)));
  assert.ok(files.includes(part) && files.includes(path));
});
