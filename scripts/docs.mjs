/**
 * Writes the generated reference pages: docs/hostcalls.md, docs/errors.md, docs/shared-memory.md.
 * With `--check` nothing is written, and the exit code is 1 when a page differs from what the tables
 * say. Runs the compiled tables, so `npm run build` comes first.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const isCheck = process.argv.includes("--check");
/** `--from DIR`: the compiled tree, `dist` when not given. */
const fromAt = process.argv.indexOf("--from");
const compiled = path.resolve(root, fromAt < 0 ? "dist" : (process.argv[fromAt + 1] ?? "dist"));

async function load(file) {
  const target = path.join(compiled, file);
  if (!existsSync(target)) {
    process.stderr.write(`docs: ${path.relative(root, target)} is missing; run npm run build\n`);
    process.exit(1);
  }
  return import(pathToFileURL(target).href);
}

const { renderErrorPage, renderHostcallPage } = await load("src/abi/hostcall-docs.js");
const { HOSTCALL_NAMES } = await load("src/abi/hostcall-table.js");
const { renderSharedMemoryPage } = await load("src/shm/layout-docs.js");
const { IMPLEMENTED_HOSTCALLS } = await load("src/vm/hostcalls/bodies.js");

const { renderSeen } = await load("test/differential/hostcall-page.js");
const { GROUPS } = await load("test/differential/cases/index.js");
const { readGoldens } = await load("test/differential/golden.js");

const tests = new Map();
for (const name of HOSTCALL_NAMES) {
  const file = `test/hostcalls/${name}.test.ts`;
  if (existsSync(path.join(root, file))) tests.set(name, file);
}

const pages = {
  "docs/hostcalls.md": [
    renderHostcallPage({ implemented: new Set(IMPLEMENTED_HOSTCALLS), tests }),
    renderSeen(GROUPS.map(({ name }) => readGoldens(name))),
  ].join("\n"),
  "docs/errors.md": renderErrorPage(),
  "docs/shared-memory.md": renderSharedMemoryPage(),
};

let stale = 0;
for (const [file, text] of Object.entries(pages)) {
  const target = path.join(root, file);
  const present = existsSync(target) ? readFileSync(target, "utf8") : "";
  if (present === text) continue;
  if (isCheck) {
    process.stderr.write(`docs: ${file} differs from the tables; run npm run docs\n`);
    stale++;
  } else {
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, text);
    process.stdout.write(`docs: wrote ${file}\n`);
  }
}
process.exitCode = stale > 0 ? 1 : 0;
