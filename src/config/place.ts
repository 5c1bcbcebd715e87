/** Third pass, common part: where a compile function stands, and what it may use. Thread: main. */
import { readFileSync, statSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";
import { LIMITS } from "../base/limits.ts";

import type { IsolationLayer } from "./isolation-types.ts";
import type { ProblemList } from "./problems.ts";
import type { Any, Duration, Message } from "./protobuf.ts";
import { anyUnpack, registry } from "./protobuf.ts";
import type { RemoteCode } from "./remote-code.ts";
import type { ModuleConfig } from "./types.ts";

/** A filter's source files as one script. */
export interface ScriptBundle {
  readonly text: string;
  /** What debuggers and stack traces call it. */
  readonly name: string;
  /** Absolute names of the files it was made of, as far as they are known. */
  readonly files: readonly string[];
  /** `file:line:column: what is wrong`; empty = it is whole. */
  readonly problems: readonly string[];
}

export interface CompileContext {
  readonly problems: ProblemList;
  /** Relative file names start here (Envoy: the working directory). */
  readonly baseDir: string;
  /** What is wrong with Wasm code beyond its magic number: one sentence each. */
  readonly checkModule: (bytes: Uint8Array) => readonly string[];
  /** Whether Wasm code asks for coroutines by an export. */
  readonly marksCoroutines: (bytes: Uint8Array) => boolean;
  /** Makes one script of a TypeScript or JavaScript file and what it imports. */
  readonly bundleScript: (path: string) => ScriptBundle;
  /** Modules by sha256, filled by the Wasm filters. */
  readonly modules: Map<string, ModuleConfig>;
  /** Files that were read or looked for, absolute. */
  readonly files: Set<string>;
  /** Limits that hold for the plugins of every listener. */
  readonly isolation: IsolationLayer;
  /** Code from elsewhere that is here, by `remoteKey`; null = it cannot be had. */
  readonly remoteCode: ReadonlyMap<string, Uint8Array | null>;
  /** Code from elsewhere that is not here yet, by `remoteKey`; filled. */
  readonly wantedCode: Map<string, RemoteCode>;
  /** Names of all clusters of this configuration. */
  readonly clusterNames: ReadonlySet<string>;
}

/** A field path and the context: `place.child("a").item(0).problem(...)`. */
export class Place {
  readonly context: CompileContext;
  readonly path: string;

  constructor(context: CompileContext, path: string) {
    this.context = context;
    this.path = path;
  }

  child(name: string): Place {
    return new Place(this.context, this.path === "" ? name : `${this.path}.${name}`);
  }

  item(index: number): Place {
    return new Place(this.context, `${this.path}[${index}]`);
  }

  key(name: string): Place {
    return new Place(this.context, `${this.path}[${JSON.stringify(name)}]`);
  }

  problem(message: string, hint = ""): void {
    this.context.problems.add(this.path, message, hint);
  }

  warn(message: string, hint = ""): void {
    this.context.problems.warn(this.path, message, hint);
  }

  /** Bytes of a file, or null after reporting why there are none. */
  readFile(filename: string, sizeMax: number = LIMITS.configBytes): Uint8Array | null {
    const { baseDir } = this.context;
    const path = isAbsolute(filename) ? filename : resolve(baseDir, filename);
    this.context.files.add(path);
    try {
      const { size } = statSync(path);
      if (size > sizeMax) {
        this.problem(`the file "${filename}" has ${size} bytes`, `at most ${sizeMax} are read`);
        return null;
      }
      return new Uint8Array(readFileSync(path));
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
      const reason = code === "ENOENT" ? "does not exist" : `cannot be read (${code})`;
      const hint = isAbsolute(filename) ? "" : `relative names start at ${baseDir}`;
      this.problem(`the file "${filename}" ${reason}`, hint);
      return null;
    }
  }
}

/** The message inside an Any; null when there is none or its type is unknown (reported before). */
export function unpack(any: Any | undefined): Message | null {
  return any === undefined ? null : (anyUnpack(any, registry) ?? null);
}

/** Milliseconds, fractions kept up; `otherwise` when unset. */
export function durationMs(duration: Duration | undefined, otherwise: number): number {
  if (duration === undefined) return otherwise;
  const ms = Number(duration.seconds) * 1000 + duration.nanos / 1e6;
  return ms > 0 ? Math.ceil(ms) : 0;
}

/** UTF-8 text as the latin1 string that header maps hold: one code unit = one byte on the wire. */
export function wireText(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}
