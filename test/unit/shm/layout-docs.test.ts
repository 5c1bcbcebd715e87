import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { renderSharedMemoryPage } from "../../../src/shm/layout-docs.ts";
import { REPOSITORY_ROOT } from "../../harness/filter-rig.ts";

const page = renderSharedMemoryPage();

test("every region that is defined anywhere in src/shm is on the page", () => {
  const folder = join(REPOSITORY_ROOT, "src", "shm");
  const magics = readdirSync(folder).flatMap((file) =>
    [...readFileSync(join(folder, file), "utf8").matchAll(/magic: "(\S{4})"/g)].map(
      (match) => match[1] ?? "",
    ),
  );
  assert.ok(magics.length >= 8);
  assert.equal(new Set(magics).size, magics.length, "magics are all different");
  for (const magic of magics) assert.ok(page.includes(`Magic \`${magic}\``), magic);
});

test("every field has offset, unit and writer, and a bar in a cell does not end it", () => {
  const rows = page.split("\n").filter((line) => line.startsWith("| `"));
  assert.ok(rows.length > 30);
  for (const row of rows) {
    const cells = row.replaceAll("\\|", "").split("|");
    assert.equal(cells.length, 9, row);
    assert.ok(
      cells.slice(1, 8).every((cell) => cell.trim() !== ""),
      row,
    );
  }
});
