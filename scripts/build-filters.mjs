// Rebuilds the example filters from source:  node scripts/build-filters.mjs [rust|go|as|wat]...
// Without arguments it builds all. The `.wasm` of Rust, Go and AssemblyScript are committed beside
// their source, so running Granary and its tests needs none of these toolchains. `wat` only checks
// that the text modules in test/plugins assemble: tests assemble them on the fly.
//
// Rust: cargo and rustc with either the wasm32-wasip1 target installed, or the standard library's
//   source and wasi-libc (then the standard library is built as well). Go: 1.24 or later.
// AssemblyScript: npm installs the compiler into the filter's own folder.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const FILTERS = join(ROOT, "examples", "filters");
const TEXT_MODULES = join(ROOT, "test", "plugins");
const RUST_TARGET = "wasm32-wasip1";
/** Where distributions put the C library that Rust's std links on this target. */
const WASI_LIBC_FOLDERS = ["/usr/lib/wasm32-wasi", "/usr/share/wasi-sysroot/lib/wasm32-wasi"];

const BUILDERS = { rust: buildRust, go: buildGo, as: buildAssemblyScript, wat: checkText };

function run(command, args, options = {}) {
  const { env, ...rest } = options;
  const child = spawnSync(command, args, {
    stdio: "inherit",
    env: { ...process.env, ...env },
    ...rest,
  });
  if (child.error !== undefined) throw new Error(`${command}: ${child.error.message}`);
  if (child.status !== 0) throw new Error(`${command} ${args[0] ?? ""} failed: ${child.status}`);
  return child.stdout;
}

/** The first folder of PATH whose rustc can make wasm, and whether it has the target ready-made. */
function findRust() {
  let fallback = null;
  for (const folder of new Set((process.env.PATH ?? "").split(delimiter))) {
    const rustc = join(folder, "rustc");
    const cargo = join(folder, "cargo");
    if (!existsSync(rustc) || !existsSync(cargo)) continue;
    const asked = spawnSync(rustc, ["--print", "sysroot"], { encoding: "utf8" });
    if (asked.status !== 0) continue;
    const rustlib = join(asked.stdout.trim(), "lib", "rustlib");
    if (existsSync(join(rustlib, RUST_TARGET, "lib"))) return { rustc, cargo, source: null };
    const source = join(rustlib, "src", "rust", "library");
    if (fallback === null && existsSync(source)) fallback = { rustc, cargo, source };
  }
  if (fallback === null) throw new Error(`no Rust toolchain with ${RUST_TARGET} or its source`);
  return fallback;
}

function buildRust() {
  const folder = join(FILTERS, "rust");
  const rust = findRust();
  const registry = join(process.env.CARGO_HOME ?? join(homedir(), ".cargo"), "registry", "src");
  // Panic messages carry file names; these must not differ between machines.
  const flags = [registry, folder, join(ROOT, "examples")].map(
    (prefix) => `--remap-path-prefix=${prefix}=`,
  );
  const env = { RUSTC: rust.rustc };
  const args = ["build", "--release", "--locked", "--target", RUST_TARGET];
  if (rust.source !== null) {
    flags.push(`--remap-path-prefix=${rust.source}=library`);
    const libc = WASI_LIBC_FOLDERS.find((candidate) => existsSync(candidate));
    if (libc !== undefined) flags.push(`-Lnative=${libc}`);
    args.push("-Zbuild-std=std,panic_abort");
    env.RUSTC_BOOTSTRAP = "1";
  }
  // One flag per element: a path may hold a space.
  env.CARGO_ENCODED_RUSTFLAGS = flags.join("\x1f");
  run(rust.cargo, args, { cwd: folder, env });
  const built = (filter) =>
    join(folder, "target", RUST_TARGET, "release", `${filter.replace("-", "_")}.wasm`);
  for (const filter of ["add-header", "body-window", "callouts", "toolbox"]) {
    publish(built(filter), join(folder, filter, `${filter}.wasm`));
  }
  for (const example of ["coroutines", "ext-auth", "jwt", "rate-limit"]) {
    publish(built(example), join(ROOT, "examples", example, "rust", `${example}.wasm`));
  }
}

function buildGo() {
  const folder = join(FILTERS, "go");
  const args = ["build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"];
  const env = { GOOS: "wasip1", GOARCH: "wasm", GOFLAGS: "", GOTOOLCHAIN: "local" };
  mkdirSync(join(folder, "build"), { recursive: true });
  for (const filter of ["callouts", "coroutines", "toolbox"]) {
    const output = join(folder, "build", `${filter}.wasm`);
    run("go", [...args, "-o", output, `./${filter}`], { cwd: folder, env });
    publish(output, join(folder, filter, `${filter}.wasm`));
  }
}

function buildAssemblyScript() {
  const folder = join(FILTERS, "assemblyscript");
  run("npm", ["ci", "--no-audit", "--no-fund"], { cwd: folder });
  for (const filter of ["callouts", "coroutines", "greeting", "toolbox"]) {
    const args = [join(folder, "node_modules", "assemblyscript", "bin", "asc.js")];
    const output = join("build", `${filter}.wasm`);
    args.push(join(filter, "index.ts"), "--config", "asconfig.json", "--outFile", output);
    run(process.execPath, args, { cwd: folder });
    publish(join(folder, output), join(folder, filter, `${filter}.wasm`));
  }
}

async function checkText() {
  const { default: wabt } = await import("wabt");
  const assembler = await wabt();
  const names = readdirSync(TEXT_MODULES).filter((name) => name.endsWith(".wat"));
  for (const name of names) {
    const module = assembler.parseWat(name, readFileSync(join(TEXT_MODULES, name), "utf8"));
    module.validate();
    module.destroy();
  }
  process.stdout.write(`${names.length} text modules assemble\n`);
}

function publish(built, target) {
  copyFileSync(built, target);
  const bytes = readFileSync(target);
  const digest = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
  process.stdout.write(`${relative(ROOT, target)}  ${bytes.length} bytes  sha256 ${digest}\n`);
}

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !Object.hasOwn(BUILDERS, name));
if (unknown.length > 0) {
  const known = Object.keys(BUILDERS).join(", ");
  process.stderr.write(`unknown: ${unknown.join(", ")}; known: ${known}\n`);
  process.exitCode = 1;
} else {
  for (const name of asked.length > 0 ? asked : Object.keys(BUILDERS)) await BUILDERS[name]();
}
