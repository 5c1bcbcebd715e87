/**
 * `npm test`: sets up what is missing and runs every test. Words after `--` pick test files by a
 * part of their path: `npm test -- unit/main hostcalls`.
 */
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT, setUp, withSetupErrors } from "./setup.mjs";

/** Files that run at a time. */
const CONCURRENCY = 2;
/** A file that takes longer has failed; the longest take a minute on a quiet machine. */
const FILE_MS_MAX = 300_000;

/** Compiled test files of the sources that are there now: dist may hold those of deleted ones. */
export function testFiles(words) {
  return readdirSync(join(ROOT, "test"), { recursive: true })
    .map((name) => name.replaceAll("\\", "/"))
    .filter((name) => name.endsWith(".test.ts"))
    .filter((name) => words.length === 0 || words.some((word) => `test/${name}`.includes(word)))
    .sort()
    .map((name) => join("dist", "test", name.replace(/\.ts$/, ".js")));
}

/** @returns the exit code of the test runner. */
function runTests(files) {
  const flags = [
    "--test",
    `--test-concurrency=${CONCURRENCY}`,
    "--test-reporter=spec",
    `--test-timeout=${FILE_MS_MAX}`,
  ];
  const child = spawn(process.execPath, ["--enable-source-maps", ...flags, ...files], {
    cwd: ROOT,
    stdio: "inherit",
  });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => {
    child.on("error", (error) => {
      process.stderr.write(`granary test: ${error.message}\n`);
      resolve(1);
    });
    child.on("exit", (code) => resolve(code ?? 1));
  });
}

async function main() {
  await setUp();
  const files = testFiles(process.argv.slice(2));
  const lost = files.filter((file) => !existsSync(join(ROOT, file)));
  if (files.length === 0 || lost.length > 0) {
    const problem = files.length === 0 ? "no test file matches" : `not compiled: ${lost}`;
    process.stderr.write(`granary test: ${problem}\n`);
    process.exitCode = 1;
    return;
  }
  process.exitCode = await runTests(files);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await withSetupErrors(main);
}
