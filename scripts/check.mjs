/**
 * `npm run check`: types, lint and format, dead code and dependencies, generated pages. Every check
 * runs; the exit code says whether all of them passed.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { generateProtos, installPackages, ROOT, withSetupErrors } from "./setup.mjs";

const bin = (...path) => join(ROOT, "node_modules", ...path);

const CHECKS = [
  { name: "types", args: [bin("typescript", "bin", "tsc"), "-b"] },
  { name: "types of examples", args: [bin("typescript", "bin", "tsc"), "-p", "examples"] },
  {
    name: "lint and format",
    args: [bin("@biomejs", "biome", "bin", "biome"), "check", "--error-on-warnings"],
  },
  { name: "dead code", args: [bin("knip", "bin", "knip.js")] },
  { name: "generated pages", args: [join(ROOT, "scripts", "docs.mjs"), "--check"] },
];

await withSetupErrors(async () => {
  installPackages();
  generateProtos();
  const failed = [];
  for (const { name, args } of CHECKS) {
    process.stdout.write(`check: ${name}\n`);
    const { status } = spawnSync(process.execPath, args, { cwd: ROOT, stdio: "inherit" });
    if (status !== 0) failed.push(name);
  }
  process.stdout.write(failed.length === 0 ? "check: passed\n" : `check: FAILED: ${failed}\n`);
  process.exitCode = failed.length === 0 ? 0 : 1;
});
