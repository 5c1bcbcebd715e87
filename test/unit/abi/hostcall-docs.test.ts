import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { CALLBACK_NAMES, UNCALLED } from "../../../src/abi/callback-table.ts";
import { renderErrorPage, renderHostcallPage } from "../../../src/abi/hostcall-docs.ts";
import { HOSTCALL_NAMES } from "../../../src/abi/hostcall-table.ts";
import { WASI_NAMES } from "../../../src/abi/wasi-table.ts";
import { PROXY_ERRORS } from "../../../src/base/errors.ts";
import { REPOSITORY_ROOT } from "../../harness/filter-rig.ts";

/** The text of every source file below `folder`. */
function sourceText(folder: string): string[] {
  const root = join(REPOSITORY_ROOT, folder);
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => readFileSync(join(root, name), "utf8"));
}

function page(): string {
  return renderHostcallPage({
    implemented: new Set(["proxy_log"]),
    tests: new Map([["proxy_log", "test/hostcalls/proxy_log.test.ts"]]),
  });
}

/** The one table row that starts with `name`. */
function rowOf(text: string, name: string): string {
  const rows = text.split("\n").filter((line) => line.startsWith(`| ${name} |`));
  assert.equal(rows.length, 1, name);
  return rows[0] ?? "";
}

describe("the page of hostcalls", () => {
  it("tells version, parameters, statuses, state and test of a hostcall", () => {
    assert.equal(
      rowOf(page(), "`proxy_log`"),
      "| `proxy_log` | 0.1.0 | `level: log level, message_ptr, message_len` | Ok (0), " +
        "BadArgument (2), InvalidMemoryAccess (6) | implemented | " +
        "[test](../test/hostcalls/proxy_log.test.ts) |",
    );
  });

  it("tells what is not implemented, without a test", () => {
    assert.match(rowOf(page(), "`proxy_http_call`"), /\| Unimplemented \| {2}\|$/);
  });

  it("has one row for every hostcall and every WASI function", () => {
    for (const name of [...HOSTCALL_NAMES, ...WASI_NAMES]) rowOf(page(), `\`${name}\``);
  });

  it("tells errno values and parameters of WASI functions", () => {
    const row = rowOf(page(), "`fd_seek`");
    assert.equal(
      row,
      "| `fd_seek` | `fd, offset: i64, whence, *new_offset` | 70 for fd 0, 1, 2; else 8 |",
    );
  });

  it("tells which callbacks are never called, and these are those that the VM never enters", () => {
    const called = sourceText("src/vm").join("\n");
    for (const name of CALLBACK_NAMES) {
      const isEntered = called.includes(`entries.${name}`);
      assert.equal(isEntered, !(name in UNCALLED), name);
      const cell = name in UNCALLED ? /\| never: [^|]+ \|$/ : /\| yes \|$/;
      assert.match(rowOf(page(), `\`${name}\``), cell);
    }
  });

  it("gives every row of a table as many cells as its header", () => {
    let columns = 0;
    let rows = 0;
    for (const line of `${page()}\n\n${renderErrorPage()}`.split("\n")) {
      const cells = line.startsWith("|") ? line.split("|").length : 0;
      if (columns > 0 && cells > 0) assert.equal(cells, columns, line);
      if (cells > 0) rows++;
      columns = cells;
    }
    assert.ok(rows > 100);
  });
});

describe("the page of errors", () => {
  it("has one row for every error, with status and flag", () => {
    const text = renderErrorPage();
    for (const [code, row] of Object.entries(PROXY_ERRORS)) {
      const status = row.status === 0 ? "connection closed" : String(row.status);
      assert.ok(rowOf(text, code).startsWith(`| ${code} | ${status} | ${row.flag} |`), code);
    }
  });
});
