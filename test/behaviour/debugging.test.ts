/** A debugger stops in the `.ts` file of a filter. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { BUILD_ROOT } from "../harness/proxy.ts";

const FILTER = `import type { HttpContext } from "granary";

interface Lines { readonly that: "the bundle does not have" }

export async function onRequestHeaders(ctx: HttpContext): Promise<void> {
  const path: string = ctx.request.headers.get(":path") ?? "";
  await ctx.sleep(1);
  const afterwards: string = path.toUpperCase();
  ctx.request.headers.set("x-path", afterwards);
}
`;

for (const [line, when] of [
  [7, "before it waits"],
  [9, "after it has waited"],
] as const) {
  test(`a breakpoint in a filter stops its silo ${when}`, { timeout: 30_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "granary-debug-"));
    const file = join(folder, "filter.ts");
    writeFileSync(file, FILTER);
    const script = join(BUILD_ROOT, "test/harness/inspected-proxy.js");
    const expression = line === 7 ? "path" : "path + ' ' + afterwards";
    const { stdout } = await promisify(execFile)(process.execPath, [
      script,
      file,
      String(line),
      expression,
    ]);
    const report = stdout.split("\n").find((text) => text.startsWith("{")) ?? "{}";
    assert.deepEqual(JSON.parse(report), {
      isOurBreakpoint: true,
      functionName: "onRequestHeaders",
      value: line === 7 ? "/stop-here" : "/stop-here /STOP-HERE",
      status: 200,
    });
    rmSync(folder, { recursive: true });
  });
}
