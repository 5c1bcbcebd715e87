/**
 * What `npm pack` would publish, unpacked beside the packages that it names as dependencies and no
 * others: it runs, and builds its addon where there is a compiler.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { REPOSITORY_ROOT as ROOT } from "../harness/filter-rig.ts";

/** Other build folders than dist are not what is packed. */
const NOT_PACKED = existsSync(join(ROOT, "dist/src/main/main.js")) ? false : "needs dist/";

interface LockedPackage {
  readonly dev?: boolean;
}

let installed: string;

/** The packages of production alone: a folder of links. */
function linkDependencies(): void {
  const lock = JSON.parse(readFileSync(join(ROOT, "node_modules/.package-lock.json"), "utf8"));
  const packages = Object.entries(lock.packages as Record<string, LockedPackage>);
  for (const [path, { dev }] of packages) {
    // Nested ones come with the package they are in.
    if (dev === true || path.split("node_modules/").length > 2) continue;
    const target = join(ROOT, path);
    if (!existsSync(target) || lstatSync(target).isFile()) continue;
    mkdirSync(dirname(join(installed, path)), { recursive: true });
    symlinkSync(target, join(installed, path));
  }
}

before(() => {
  if (NOT_PACKED !== false) return;
  installed = mkdtempSync(join(tmpdir(), "granary-package-"));
  const listed = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
    cwd: ROOT,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [packed] = JSON.parse(listed) as { files: { path: string }[] }[];
  for (const { path } of packed?.files ?? []) {
    mkdirSync(dirname(join(installed, path)), { recursive: true });
    cpSync(join(ROOT, path), join(installed, path));
  }
  linkDependencies();
});

after(() => {
  if (NOT_PACKED === false) rmSync(installed, { recursive: true });
});

function node(...args: string[]): string {
  return execFileSync(process.execPath, args, { cwd: installed, encoding: "utf8", stdio: "pipe" });
}

describe("the package", { skip: NOT_PACKED }, () => {
  it("runs with its dependencies alone", () => {
    const { version } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
    assert.ok(node("bin/granary.mjs", "--version").startsWith(`granary ${version} `));
    const config = "static_resources: {clusters: [{name: a, connect_timeout: 1s}]}";
    const validate = ["--mode", "validate", "--config-yaml", config];
    assert.match(node("bin/granary.mjs", ...validate), /OK/);
  });

  it("has all that its addon is built of", async (t) => {
    const builder = join(installed, "native-bindings/build.mjs");
    const { ADDON_INPUTS, findCompiler } = await import(pathToFileURL(builder).href);
    for (const path of ADDON_INPUTS) assert.ok(existsSync(path), path);
    if (findCompiler() === null) {
      t.diagnostic("no compiler: the addon is not built");
      return;
    }
    node(builder);
    assert.ok(existsSync(join(installed, "native-bindings/build/granary.node")));
  });
});
