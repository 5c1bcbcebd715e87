/**
 * `node scripts/metering-corpus.mjs FOLDER`: runs every module of a folder of `.wast` files (a
 * checkout of WebAssembly/testsuite) as it is and metered, makes the same calls of both, and says
 * where they differ. Modules that this Node or wabt cannot read are counted and left out.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import wabtModule from "wabt";
import { rewriteModule } from "../dist/src/abi/module-rewriter.js";

const wabt = await wabtModule();
const FEATURES = Object.fromEntries(Object.keys(wabt.FEATURES).map((name) => [name, true]));
const OPTIONS = {
  pagesMax: 65_536,
  tableElementsMax: 1_000_000,
  budget: "metered",
  growth: "asked",
};
const CALLS_MAX = 2_000;

/** The top-level forms of `text`, each with the offset after it. */
function formsOf(text) {
  const forms = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    const two = text.slice(at, at + 2);
    if (two === ";;")
      at = Math.max(at, text.indexOf("\n", at) < 0 ? text.length : text.indexOf("\n", at));
    else if (two === "(;") at = text.indexOf(";)", at) + 1;
    else if (text[at] === '"') {
      for (at++; text[at] !== '"' && at < text.length; at++) if (text[at] === "\\") at++;
    } else if (text[at] === "(") {
      if (depth++ === 0) start = at;
    } else if (text[at] === ")" && --depth === 0) forms.push(text.slice(start, at + 1));
  }
  return forms;
}

function argumentsOf(form) {
  return [...form.matchAll(/\((i32|i64|f32|f64)\.const ([^)\s]+)\s*\)/g)].map(([, type, text]) => {
    const plain = text.replaceAll("_", "");
    if (type === "i64") {
      return plain.startsWith("-") ? -BigInt(plain.slice(1)) : BigInt(plain.replace(/^\+/, ""));
    }
    if (/nan/.test(plain)) return Number.NaN;
    if (/inf/.test(plain)) return plain.startsWith("-") ? -Infinity : Infinity;
    return Number(/0x.*[.p]/.test(plain) ? 1.5 : plain);
  });
}

const spectest = () => ({
  spectest: {
    print: () => undefined,
    print_i32: () => undefined,
    print_i64: () => undefined,
    print_f32: () => undefined,
    print_f64: () => undefined,
    print_i32_f32: () => undefined,
    print_f64_f64: () => undefined,
    global_i32: 666,
    global_i64: 666n,
    global_f32: 666.6,
    global_f64: 666.6,
    table: new WebAssembly.Table({ initial: 10, maximum: 20, element: "anyfunc" }),
    memory: new WebAssembly.Memory({ initial: 1, maximum: 2 }),
  },
});

/** The value, or the kind of error, as text. */
function attempt(run) {
  try {
    const value = run();
    return typeof value === "function"
      ? "a function"
      : `${typeof value} ${Object.is(value, -0) ? "-0" : value}`;
  } catch (error) {
    return error instanceof RangeError ? "stack overflow" : `threw ${error?.message ?? error}`;
  }
}

const counts = { files: 0, modules: 0, calls: 0, unread: 0, invalid: 0, refused: {}, unlinked: 0 };
const differences = [];

function checkModule(file, form, calls) {
  let bytes;
  try {
    const parsed = wabt.parseWat(file, form, FEATURES);
    parsed.resolveNames();
    bytes = parsed.toBinary({ write_debug_names: true }).buffer;
    parsed.destroy();
  } catch {
    counts.unread++;
    return;
  }
  if (!WebAssembly.validate(bytes)) {
    counts.invalid++;
    return;
  }
  const result = rewriteModule(bytes, OPTIONS);
  if (result.kind === "refused") {
    const reason = result.reason.replace(/ at byte.*|function \d+: /g, "");
    counts.refused[reason] = (counts.refused[reason] ?? 0) + 1;
    return;
  }
  if (!WebAssembly.validate(result.bytes)) {
    differences.push(`${file}: the metered module is not valid: ${form.slice(0, 200)}`);
    return;
  }
  const make = (code, more) =>
    new WebAssembly.Instance(new WebAssembly.Module(code), { ...spectest(), ...more }).exports;
  const holder = {};
  const look = { granary: { look: () => 32_768 } };
  const linked = [
    attempt(() => {
      holder.plain = make(bytes, {});
    }),
    attempt(() => {
      holder.metered = make(result.bytes, look);
    }),
  ];
  if (holder.plain === undefined || holder.metered === undefined) {
    counts.unlinked++;
    // A memory that is imported has another maximum on purpose, a message other offsets.
    if ((holder.plain === undefined) !== (holder.metered === undefined))
      differences.push(`${file}: ${linked.join(" / ")}`);
    return;
  }
  counts.modules++;
  for (const call of calls.slice(0, CALLS_MAX)) {
    const name = /\(invoke (?:\$\S+ )?"((?:[^"\\]|\\.)*)"/.exec(call)?.[1];
    if (name === undefined || typeof holder.plain[name] !== "function") continue;
    const args = argumentsOf(
      call.slice(
        0,
        call.indexOf(")", call.indexOf("(invoke")) < 0 ? undefined : invocationEnd(call),
      ),
    );
    const [plain, metered] = [holder.plain, holder.metered].map((exports) =>
      attempt(() => exports[name](...args)),
    );
    counts.calls++;
    if (plain !== metered) differences.push(`${file}: ${name}(${args}): ${plain} / ${metered}`);
  }
}

function invocationEnd(call) {
  let depth = 0;
  for (let at = call.indexOf("(invoke"); at < call.length; at++) {
    if (call[at] === "(") depth++;
    else if (call[at] === ")" && --depth === 0) return at;
  }
  return call.length;
}

const folder = process.argv[2] ?? ".";
for (const name of readdirSync(folder, { recursive: true }).filter((each) =>
  each.endsWith(".wast"),
)) {
  counts.files++;
  const forms = formsOf(readFileSync(join(folder, name), "utf8"));
  forms.forEach((form, i) => {
    if (!/^\(module\b(?!\s+(?:\$\S+\s+)?(?:binary|quote|definition|instance))/.test(form)) return;
    const rest = forms.slice(i + 1);
    const next = rest.findIndex((each) => each.startsWith("(module"));
    checkModule(name, form, next < 0 ? rest : rest.slice(0, next));
  });
}
process.stdout.write(`${JSON.stringify(counts, null, 1)}\n`);
for (const difference of differences.slice(0, 50)) process.stdout.write(`${difference}\n`);
process.exitCode = differences.length === 0 ? 0 : 1;
