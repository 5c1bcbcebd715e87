/**
 * Brings a checkout to where it can run: packages, generated protos, compiled TypeScript, the
 * native addon. Each step is skipped when its stamp in `build/setup.json` is that of its inputs, so
 * calling it again costs milliseconds. Needs Node and npm only; a C compiler is used when there is
 * one.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const STAMPS = join(ROOT, "build", "setup.json");
const SOURCE_FOLDERS = ["src", "test", "bench"];

export class SetupError extends Error {}

/** Says what takes time; stdout stays free for what the user asked for. */
function say(text) {
  process.stderr.write(`granary setup: ${text}\n`);
}

function readStamps() {
  try {
    return JSON.parse(readFileSync(STAMPS, "utf8"));
  } catch {
    return {};
  }
}

function writeStamp(name, value) {
  mkdirSync(dirname(STAMPS), { recursive: true });
  writeFileSync(STAMPS, JSON.stringify({ ...readStamps(), [name]: value }, null, 2));
}

function hashOf(...texts) {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(text).update("\0");
  return hash.digest("hex");
}

function hashFiles(...files) {
  return hashOf(...files.map((file) => readFileSync(join(ROOT, file))));
}

/**
 * Name, size and time of every file under the source folders: cheap, and changes with each edit.
 */
function hashSources() {
  const lines = [];
  for (const folder of SOURCE_FOLDERS) {
    const root = join(ROOT, folder);
    if (!existsSync(root)) continue;
    for (const name of readdirSync(root, { recursive: true }).sort()) {
      if (!name.endsWith(".ts")) continue;
      const { size, mtimeMs } = statSync(join(root, name));
      lines.push(`${folder}/${name} ${size} ${mtimeMs}`);
    }
  }
  return hashOf(lines.join("\n"), readFileSync(join(ROOT, "tsconfig.json")));
}

/** Runs a step's command; its output goes to stderr. @returns its exit code. */
function run(command, args, environment = process.env) {
  const result = spawnSync(command, args, {
    cwd: ROOT,
    stdio: ["ignore", 2, 2],
    env: environment,
  });
  if (result.error !== undefined) throw new SetupError(`${command}: ${result.error.message}`);
  return result.status ?? 1;
}

/** npm as [command, ...first arguments]: the one that runs us, else the one on PATH. */
function npmCommand() {
  const script = process.env.npm_execpath ?? "";
  if (/npm-cli\.c?js$/.test(script) && existsSync(script)) return [process.execPath, script];
  return ["npm"];
}

/** Installs when there are no packages or others than the lock file names. */
export function installPackages() {
  const wanted = hashFiles("package-lock.json", "package.json");
  const installed = join(ROOT, "node_modules", ".package-lock.json");
  const lock = join(ROOT, "package-lock.json");
  if (existsSync(installed)) {
    if (readStamps().packages === wanted) return false;
    // Installed by hand since the lock file was written.
    if (statSync(installed).mtimeMs >= statSync(lock).mtimeMs) {
      writeStamp("packages", wanted);
      return false;
    }
  }
  say("installing packages");
  const [command, ...first] = npmCommand();
  // Not `npm ci`: it refuses a lock file without the binaries for other platforms, and these are
  // left out where a registry does not carry them. The versions are the lock file's all the same.
  const flags = ["install", "--no-save", "--include=dev", "--ignore-scripts", "--no-audit"];
  // npm's children look for `node` on PATH.
  const path = [dirname(process.execPath), process.env.PATH ?? ""].join(delimiter);
  const environment = { ...process.env, PATH: path, npm_config_loglevel: "error" };
  if (run(command, [...first, ...flags], environment) !== 0) {
    throw new SetupError("npm install failed; see above");
  }
  writeStamp("packages", wanted);
  return true;
}

export function generateProtos() {
  const scripts = ["scripts/generate-protos.mjs", "scripts/message-table.mjs"];
  const inputs = hashFiles(...scripts, "package-lock.json");
  if (existsSync(join(ROOT, "src", "gen", "envoy")) && readStamps().protos === inputs) return;
  say("generating types from the Envoy protos");
  if (run(process.execPath, [join(ROOT, "scripts", "generate-protos.mjs")]) !== 0) {
    throw new SetupError("the protos could not be generated; see above");
  }
  writeStamp("protos", inputs);
}

export function compile() {
  const inputs = hashSources();
  if (existsSync(join(ROOT, "dist", "src")) && readStamps().compiled === inputs) return;
  say("compiling");
  const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  if (run(process.execPath, [tsc, "-b"]) !== 0) {
    throw new SetupError("the sources do not compile; see above");
  }
  writeStamp("compiled", inputs);
}

/** Never fails: the addon is optional. */
export async function buildAddon() {
  const addon = await import(pathToFileURL(join(ROOT, "native-bindings", "build.mjs")).href);
  const compiler = addon.findCompiler();
  const inputs = hashOf(
    ...addon.ADDON_INPUTS.map((path) => readFileSync(path)),
    compiler ?? "none",
    process.platform,
    process.arch,
  );
  const stamps = readStamps();
  if (stamps.addon === inputs && (compiler === null || existsSync(addon.ADDON_BINARY))) return;
  const problem = addon.buildAddon();
  if (problem !== null) say(`going on without the native addon: ${problem}`);
  writeStamp("addon", inputs);
}

/** Everything, in order. Throws SetupError with one sentence. */
export async function setUp() {
  installPackages();
  generateProtos();
  compile();
  await buildAddon();
}

/** Runs `main` and turns a SetupError into a line and exit code 1. */
export async function withSetupErrors(main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(error.message);
    process.exitCode = 1;
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await withSetupErrors(setUp);
}
