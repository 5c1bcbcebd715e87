/**
 * The way of a configuration: text -> YAML nodes -> proto JSON with positions (`read-tree.ts`) ->
 * message -> rules (`check-message.ts`) -> frozen structures (`compile.ts`). Nothing throws: every
 * problem of all passes comes back at once. Thread: main.
 */
import { LIMITS } from "../base/limits.ts";
import type { Bootstrap } from "../gen/envoy/config/bootstrap/v3/bootstrap_pb.ts";
import { BootstrapSchema } from "../gen/envoy/config/bootstrap/v3/bootstrap_pb.ts";
import { checkMessage } from "./check-message.ts";
import { compileBootstrap } from "./compile.ts";
import { mergeMessages } from "./merge.ts";
import type { CompileContext } from "./place.ts";
import type { ConfigProblem } from "./problems.ts";
import { ProblemList, sortProblems } from "./problems.ts";
import type { JsonObject } from "./protobuf.ts";
import { create, fromJson, reflect, registry } from "./protobuf.ts";
import { TreeReader } from "./read-tree.ts";
import { redact } from "./redact.ts";
import type { RemoteCode } from "./remote-code.ts";
import type { ClusterConfig, GranaryConfig } from "./types.ts";
import { XdsFiles, type XdsResource, type XdsSource } from "./xds-files.ts";
import { LineCounter, parseDocument } from "./yaml.ts";

export type { ConfigProblem } from "./problems.ts";
export { formatProblems } from "./problems.ts";

export interface LoadOptions {
  /** The bootstrap, YAML or JSON. */
  readonly text: string;
  /** Its file name, for messages. */
  readonly origin: string;
  /** Where relative file names start; Envoy and we: the working directory. */
  readonly baseDir?: string;
  /** Text of `--config-yaml`, merged over `text`. */
  readonly overlay?: string;
  /** What is wrong with Wasm code (marker, imports): one sentence each, none = fine. */
  readonly checkModule: (bytes: Uint8Array) => readonly string[];
  /** Whether Wasm code asks for coroutines by an export. */
  readonly marksCoroutines: CompileContext["marksCoroutines"];
  /** Makes one script of a TypeScript or JavaScript file and what it imports. */
  readonly bundleScript: CompileContext["bundleScript"];
  /** Code from elsewhere that is here, by `remoteKey`; null = it cannot be had; default none. */
  readonly remoteCode?: ReadonlyMap<string, Uint8Array | null>;
  /** Texts that stand in for xDS files, by absolute path; default none. */
  readonly acceptedXds?: ReadonlyMap<string, string>;
}

export interface LoadResult {
  /** Deeply frozen; null when there are problems, or code to be fetched. */
  readonly config: GranaryConfig | null;
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly ConfigProblem[];
  /** Code to be fetched: with it, the configuration can be loaded whole. */
  readonly wanted: readonly RemoteCode[];
  /** Resources that come from files of their own. */
  readonly xds: {
    readonly sources: readonly XdsSource[];
    readonly resources: readonly XdsResource[];
  };
  /** To fetch it through. */
  readonly clusters: readonly ClusterConfig[];
  /** Files that the configuration names, absolute, whether or not they could be read. */
  readonly files: readonly string[];
}

export const OVERLAY_ORIGIN = "--config-yaml";

export function loadConfig(options: LoadOptions): LoadResult {
  const problems = new ProblemList(options.origin);
  const base = readText({ text: options.text, origin: options.origin }, null, problems);
  let json = base;
  if (options.overlay !== undefined) {
    const source = { text: options.overlay, origin: OVERLAY_ORIGIN };
    const over = readText(source, base ?? {}, problems);
    json = over === null ? base : mergeMessages(base ?? {}, over, BootstrapSchema);
  }
  const files = new Set<string>();
  const wantedCode = new Map<string, RemoteCode>();
  const found = { problems, files, wantedCode };
  const baseDir = options.baseDir ?? process.cwd();
  const xds = new XdsFiles({
    problems,
    files,
    baseDir,
    accepted: options.acceptedXds ?? new Map(),
  });
  // The text of `/config_dump` is without them.
  const text = JSON.stringify(redact(json ?? {}));
  if (json !== null) xds.inline(json);
  const config = json === null ? null : fromTree(json, text, options, found);
  const isWhole = problems.problems.length === 0 && wantedCode.size === 0;
  return {
    files: [...files],
    wanted: [...wantedCode.values()],
    xds,
    clusters: config?.clusters ?? [],
    config: isWhole && config !== null ? deepFreeze(config) : null,
    problems: sortProblems(problems.problems),
    warnings: sortProblems(problems.warnings),
  };
}

function fromTree(
  json: JsonObject,
  text: string,
  options: LoadOptions,
  found: Pick<CompileContext, "problems" | "files" | "wantedCode">,
): GranaryConfig | null {
  const { problems } = found;
  const bootstrap = decode(json, problems);
  if (bootstrap === null) return null;
  checkMessage(reflect(BootstrapSchema, bootstrap), "", problems);
  const {
    checkModule,
    marksCoroutines,
    bundleScript,
    baseDir = process.cwd(),
    remoteCode = new Map(),
  } = options;
  const callbacks = { checkModule, marksCoroutines, bundleScript };
  const context = { ...found, ...callbacks, baseDir, remoteCode };
  return compileBootstrap(bootstrap, text, context);
}

function decode(json: JsonObject, problems: ProblemList): Bootstrap | null {
  try {
    return Object.keys(json).length === 0
      ? create(BootstrapSchema)
      : fromJson(BootstrapSchema, json, { registry });
  } catch (error) {
    // The first pass leaves nothing that protobuf refuses; should it, the reason is not lost.
    problems.add("", error instanceof Error ? error.message : String(error));
    return null;
  }
}

/** Proto JSON of one text, or null when it is no YAML at all. */
function readText(
  source: { readonly text: string; readonly origin: string },
  base: JsonObject | null,
  problems: ProblemList,
): JsonObject | null {
  const { text, origin } = source;
  if (text.length > LIMITS.configBytes) {
    problems.add("", `the configuration has ${text.length} characters`, "split or shorten it");
    return null;
  }
  const lines = new LineCounter();
  try {
    // Duplicate keys are found by the reader, which knows their path.
    const options = { lineCounter: lines, prettyErrors: false, uniqueKeys: false };
    const document = parseDocument(text, options);
    for (const error of document.errors) {
      const { line, col } = lines.linePos(error.pos[0]);
      const position = { origin, line: Math.max(1, line), column: Math.max(1, col) };
      problems.addAt("", position, { message: error.message, hint: "correct the YAML" });
    }
    if (document.errors.length > 0) return null;
    return new TreeReader({ document, lines, origin, base }, problems).readRoot(BootstrapSchema);
  } catch (error) {
    // The YAML parser recurses: text nested thousands deep ends its stack.
    const reason = error instanceof RangeError ? "nested too deep" : String(error);
    problems.addAt(
      "",
      { origin, line: 1, column: 1 },
      { message: reason, hint: "write it flatter" },
    );
    return null;
  }
}

/** Freezes objects and arrays all the way down; bytes cannot be frozen. */
function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}
