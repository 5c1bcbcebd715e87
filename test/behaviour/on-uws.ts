/**
 * The behaviour tests again, with every listener on uWS: what fails must be in the list of expected
 * differences, and what is in the list must fail.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, test } from "node:test";
import { loadUws } from "../../src/silo/downstream/uws-library.ts";
import { BUILD_ROOT, TEST_TRANSPORT } from "../harness/proxy.ts";
import { resultsOf, type TestResult } from "../harness/tap-results.ts";
import { UWS_DIFFERENCES } from "./transport-differences.ts";

const uws = await loadUws();
const absent = uws.kind === "absent" ? uws.reason : false;
const skip = TEST_TRANSPORT === "" ? absent : "one transport is chosen for this run";

async function runOnUws(file: string): Promise<readonly TestResult[]> {
  const path = join(BUILD_ROOT, `test/behaviour/${file}.test.js`);
  // A runner that is started by a runner would run nothing.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = spawn(process.execPath, ["--test", "--test-reporter=tap", path], {
    env: { ...env, GRANARY_TEST_TRANSPORT: "uws" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  await once(child, "close");
  return resultsOf(text);
}

/** Defines a test for each of `files`, names of behaviour tests without their ending. */
export function behavesOnUws(files: readonly string[]): void {
  describe("the behaviour tests on uWS", { skip }, () => define(files));
}

function define(files: readonly string[]): void {
  for (const file of files) {
    test(`${file}: what fails is what is expected to`, async () => {
      const results = await runOnUws(file);
      assert.ok(results.length > 0, `${file} ran`);
      const known = UWS_DIFFERENCES.filter((each) => each.file === file);
      const isKnown = ({ name }: TestResult) => known.some((each) => each.test.test(name));
      const surprises = results.filter((result) => !result.passed && !isKnown(result));
      assert.deepEqual(surprises, []);
      for (const { test: name, why } of known) {
        const own = results.filter((result) => name.test(result.name));
        const fails = own.some((result) => !result.passed);
        assert.ok(fails, `${name} is to fail still: ${why}`);
      }
    });
  }
}
