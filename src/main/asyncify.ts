/**
 * The door of Binaryen: makes a module whose guest can be suspended in one of its imports on
 * engines that cannot switch stacks. The package is optional, large and slow, so it is loaded for
 * the first module that needs it. Its types do not know everything it takes, hence our own.
 * Thread: pool worker.
 */
import { SUSPENDING_IMPORT } from "../abi/coroutine-exports.ts";
import { LIMITS } from "../base/limits.ts";

interface BinaryenModule {
  setFeatures(features: number): void;
  runPasses(names: readonly string[]): void;
  emitBinary(): Uint8Array;
  dispose(): void;
}
interface Binaryen {
  readonly Features: Readonly<Record<string, number>>;
  readBinary(bytes: Uint8Array): BinaryenModule;
  setOptimizeLevel(level: number): void;
  setShrinkLevel(level: number): void;
  setPassArgument(name: string, value: string): void;
}

export type AsyncifyResult =
  | { readonly kind: "asyncified"; readonly bytes: Uint8Array }
  | { readonly kind: "refused"; readonly reason: string };

/**
 * What Binaryen may use: all that Node 20 knows. The modules it gets have been validated, so they
 * use no more themselves.
 */
const FEATURES = [
  "MutableGlobals",
  "NontrappingFPToInt",
  "SIMD128",
  "BulkMemory",
  "BulkMemoryOpt",
  "SignExt",
  "ExceptionHandling",
  "TailCall",
  "ReferenceTypes",
  "Multivalue",
  "ExtendedConst",
  "CallIndirectOverlong",
] as const;

/** Larger modules are left as asyncify makes them: most of the time goes into optimising. */
const OPTIMISED_BYTES_MAX = 262_144;

const OTHERWISE = "run Node 24 or later, or apply wasm-opt --asyncify when the module is built";
const MISSING =
  "coroutines need the package binaryen on this release of Node: npm install binaryen, " +
  OTHERWISE;

/** An instance that failed is not used again: counts what was loaded. */
let generation = 0;
let binaryen: Binaryen | null = null;

function findBinaryen(): string {
  return import.meta.resolve("binaryen");
}

/**
 * `bytes` must be valid. Never rejects.
 * @param find the URL of the library; throws when it is not installed
 */
export async function asyncify(
  bytes: Uint8Array,
  find: () => string = findBinaryen,
): Promise<AsyncifyResult> {
  const { byteLength } = bytes;
  if (byteLength > LIMITS.asyncifyBytes) {
    const reason = `it is too large to be made to suspend when it is loaded, ${byteLength} bytes`;
    return { kind: "refused", reason: `${reason}: ${OTHERWISE}` };
  }
  try {
    binaryen ??= await load(find());
  } catch {
    return { kind: "refused", reason: MISSING };
  }
  try {
    return { kind: "asyncified", bytes: transformed(binaryen, bytes) };
  } catch (error) {
    binaryen = null;
    // What is thrown by C++ says nothing here.
    const reason = error instanceof Error ? error.message : "Binaryen does not read it";
    return { kind: "refused", reason: `it cannot be made to suspend: ${reason}` };
  }
}

async function load(file: string): Promise<Binaryen> {
  const url = new URL(file);
  url.search = `?generation=${generation++}`;
  const { default: loaded } = (await import(url.href)) as { readonly default: Binaryen };
  return loaded;
}

function transformed(library: Binaryen, bytes: Uint8Array): Uint8Array {
  library.setOptimizeLevel(bytes.byteLength > OPTIMISED_BYTES_MAX ? 0 : 1);
  library.setShrinkLevel(0);
  const { module, name } = SUSPENDING_IMPORT;
  library.setPassArgument("asyncify-imports", `${module}.${name}`);
  const made = library.readBinary(bytes);
  made.setFeatures(FEATURES.reduce((all, feature) => all | (library.Features[feature] ?? 0), 0));
  made.runPasses(["asyncify"]);
  const out = made.emitBinary();
  made.dispose();
  return out;
}
