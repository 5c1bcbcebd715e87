/**
 * Builds native-bindings/build/granary.node with the machine's C compiler. Pure Node-API: one
 * binary serves every Node major. Without uv.h beside the running Node the loop guard is left out.
 *
 *   node native-bindings/build.mjs              builds, exit code 1 when that is not possible
 *   node native-bindings/build.mjs --optional   says why not, exit code 0
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const ADDON_SOURCES = ["granary.c", "sockets.c", "socket-calls.c"].map((name) => join(here, name));
/** What the binary depends on. */
export const ADDON_INPUTS = [
  ...ADDON_SOURCES,
  ...["sockets.h", "socket-table.h"].map((name) => join(here, name)),
];
export const ADDON_BINARY = join(here, "build", "granary.node");

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The first C compiler on PATH (or $CC), or null. */
export function findCompiler(environment = process.env) {
  const directories = (environment.PATH ?? "").split(delimiter).filter((path) => path !== "");
  const names = [environment.CC, "cc", "gcc", "clang", "g++"].filter(Boolean);
  for (const name of names) {
    if (name.includes("/") && isExecutable(name)) return name;
    const found = directories.map((path) => join(path, name)).find(isExecutable);
    if (found !== undefined) return found;
  }
  return null;
}

/** Folder with uv.h of the running Node, or null. */
export function findUvHeaders() {
  const folder = join(dirname(dirname(process.execPath)), "include", "node");
  return existsSync(join(folder, "uv.h")) ? folder : null;
}

function nodeApiHeaders() {
  try {
    return createRequire(import.meta.url)("node-api-headers").include_dir;
  } catch {
    return null;
  }
}

/** Builds the addon. Returns null, or why it could not be built. */
export function buildAddon() {
  if (process.platform === "win32") return "the addon is for POSIX systems";
  const compiler = findCompiler();
  if (compiler === null) return "no C compiler on PATH";
  const headers = nodeApiHeaders();
  if (headers === null) return "node-api-headers is not installed";
  const uv = findUvHeaders();
  mkdirSync(dirname(ADDON_BINARY), { recursive: true });
  // Linked beside the target and moved: a running proxy keeps the file it has mapped.
  const fresh = `${ADDON_BINARY}.${process.pid}`;
  const flags = ["-x", "c", "-std=gnu11", "-O2", "-fPIC", "-Wall", "-Wextra", "-shared"];
  if (process.platform === "darwin") flags.push("-undefined", "dynamic_lookup");
  const uvFlags = uv === null ? [] : ["-DGRANARY_WITH_UV", "-isystem", uv];
  const result = spawnSync(
    compiler,
    [...flags, "-isystem", headers, ...uvFlags, ...ADDON_SOURCES, "-o", fresh],
    { encoding: "utf8" },
  );
  if (result.status !== 0) {
    rmSync(fresh, { force: true });
    return `${compiler} failed: ${result.error?.message ?? result.stderr.trim()}`;
  }
  renameSync(fresh, ADDON_BINARY);
  return null;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const optional = process.argv.includes("--optional");
  const problem = buildAddon();
  if (problem !== null) {
    process.stderr.write(`granary: native addon not built: ${problem}\n`);
    process.exitCode = optional ? 0 : 1;
  }
}
