import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { SDKS } from "../conformance/case.ts";
import { TOOLBOX_FILES } from "../conformance/bootstrap.ts";
import { EXPECTATIONS } from "../conformance/expectations.ts";
import { TEXT_MODULES } from "./expectations.ts";

const ROOT = repositoryRoot();

/** This file runs from a build folder whose depth is not fixed; package.json marks the root. */
function repositoryRoot(): string {
  let folder = new URL(".", import.meta.url);
  for (;;) {
    const names = readdirSync(folder);
    if (names.includes("package.json") && names.includes("examples")) return fileURLToPath(folder);
    const parent = new URL("..", folder);
    assert.notEqual(parent.href, folder.href, "no repository above the test");
    folder = parent;
  }
}

describe("the conformance tables", () => {
  it("have a row for every text module, and no row without one", () => {
    const files = readdirSync(`${ROOT}/test/plugins`)
      .filter((name) => name.endsWith(".wat"))
      .map((name) => name.slice(0, -".wat".length));
    assert.ok(files.length > 20);
    assert.deepEqual([...new Set(TEXT_MODULES.map((row) => row.module))].sort(), files.sort());
  });

  it("have a committed module of each SDK that declares its ABI and an allocator", () => {
    // A script of the null engine is no module.
    const compiled = SDKS.filter((sdk) => TOOLBOX_FILES[sdk].endsWith(".wasm"));
    assert.deepEqual(compiled, ["rust", "go", "assemblyscript"]);
    for (const sdk of compiled) {
      const module = new WebAssembly.Module(readFileSync(`${ROOT}/${TOOLBOX_FILES[sdk]}`));
      const names = WebAssembly.Module.exports(module).map((row) => row.name);
      assert.ok(
        names.some((name) => name.startsWith("proxy_abi_version_")),
        sdk,
      );
      assert.ok(
        names.includes("proxy_on_memory_allocate") || names.includes("malloc"),
        sdk,
      );
    }
  });

  it("give every case that an SDK cannot do a reason", () => {
    const exceptions = EXPECTATIONS.flatMap((row) => Object.values(row.exceptions));
    assert.ok(exceptions.length > 0);
    for (const exception of exceptions) assert.ok(exception.reason.length > 10);
  });

  it("tell cases of one name apart by what they show", () => {
    const titles = EXPECTATIONS.map((row) => `${row.name}: ${row.shows}`);
    assert.equal(new Set(titles).size, titles.length);
  });
});
