import assert from "node:assert/strict";
import { accessSync, constants } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { filesUnder, ROOT } from "../../tidy/files.ts";

async function script<T>(path: string): Promise<T> {
  return (await import(pathToFileURL(join(ROOT, path)).href)) as T;
}

describe("scripts", () => {
  it("find a compiled file for every test source, and for no other", async () => {
    const { testFiles } = await script<{ testFiles(words: string[]): string[] }>(
      "scripts/test.mjs",
    );
    const sources = filesUnder("test").filter(({ path }) => path.endsWith(".test.ts"));
    assert.equal(testFiles([]).length, sources.length);
    assert.ok(testFiles([]).includes(join("dist", "test", "tidy.test.js")));
    assert.deepEqual(testFiles(["unit/main/scripts"]), [
      join("dist", "test", "unit", "main", "scripts.test.js"),
    ]);
    assert.deepEqual(testFiles(["no such test"]), []);
  });

  it("find no compiler on an empty PATH and the named one on a real one", async () => {
    const { findCompiler } = await script<{
      findCompiler(environment: Record<string, string>): string | null;
    }>("native-bindings/build.mjs");
    assert.equal(findCompiler({ PATH: "" }), null);
    // Any executable will do as $CC.
    const node = process.execPath;
    assert.equal(findCompiler({ PATH: dirname(node), CC: node }), node);
  });

  it("are executable where a shell or npm runs them directly", () => {
    for (const path of [".ci/run", "bin/granary.mjs"]) {
      assert.doesNotThrow(() => accessSync(join(ROOT, path), constants.X_OK), path);
    }
  });
});
