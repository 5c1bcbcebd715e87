/**
 * Loads a filter's script and tells errors where they happened in the author's files: bundles carry
 * their source map.
 */
import { createRequire, SourceMap } from "node:module";
import { compileFunction } from "node:vm";
import { GuestTrap, ScriptTrap } from "../trap.ts";
import type { ScriptCode } from "../types.ts";
import { CONNECTION_CALLBACKS, OTHER_HANDLERS, STREAM_CALLBACKS } from "./handlers.ts";

const MAP_MARK = "//# sourceMappingURL=data:application/json;base64,";
const FRAMES_MAX = 20;

export const HANDLER_NAMES: readonly string[] = [
  ...Object.values(STREAM_CALLBACKS).map(({ handler }) => handler),
  ...Object.values(CONNECTION_CALLBACKS).map(({ handler }) => handler),
  ...OTHER_HANDLERS,
];

export type LoadedFilter = Readonly<Record<string, (...args: never[]) => unknown>>;

export class Script {
  readonly #code: ScriptCode;
  /** Read when it is first needed; null = there is none. */
  #map: SourceMap | null | undefined = undefined;

  constructor(code: ScriptCode) {
    this.#code = code;
  }

  /** Runs the script; its handlers, bound. Throws what the script throws. */
  load(): LoadedFilter {
    const { text, filename } = this.#code;
    const module: { exports: Record<string, unknown> } = { exports: {} };
    const run = compileFunction(text, ["exports", "require", "module"], { filename });
    run(module.exports, createRequire(filename), module);
    const { exports } = module;
    const filter: unknown = exports["default"] ?? exports;
    if (typeof filter !== "object" || filter === null) {
      throw new GuestTrap("its default export is no object with handlers");
    }
    const bound = HANDLER_NAMES.flatMap((name) => {
      const handler: unknown = Reflect.get(filter, name);
      return typeof handler === "function" ? [[name, handler.bind(filter)] as const] : [];
    });
    if (bound.length === 0) {
      throw new GuestTrap(`it exports no handler: ${HANDLER_NAMES.slice(0, 3).join(", ")}...`);
    }
    return Object.fromEntries(bound);
  }

  /** `error` as the VM's failure report shows it. */
  trap(error: unknown): unknown {
    if (error instanceof GuestTrap) return error;
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const stack = error instanceof Error ? (error.stack ?? "") : "";
    return new ScriptTrap(message, this.#frames(stack), error instanceof RangeError);
  }

  #frames(stack: string): string[] {
    const frames: string[] = [];
    for (const line of stack.split("\n")) {
      if (line.includes(this.#code.filename)) frames.push(this.#original(line.trim()));
      if (frames.length === FRAMES_MAX) break;
    }
    return frames;
  }

  /** A stack frame with its place in the author's file. */
  #original(frame: string): string {
    const { filename } = this.#code;
    const at = frame.indexOf(filename);
    const place = /^:(\d+):(\d+)/.exec(frame.slice(at + filename.length));
    if (place === null) return frame;
    const origin = this.#origin(Number(place[1]), Number(place[2]));
    if (origin === null) return frame;
    return frame.slice(0, at) + origin + frame.slice(at + filename.length + place[0].length);
  }

  #origin(line: number, column: number): string | null {
    if (this.#map === undefined) this.#map = this.#readMap();
    const entry = this.#map?.findEntry(line - 1, column - 1);
    if (entry === undefined || !("originalSource" in entry)) return null;
    const source = new URL(entry.originalSource, this.#code.filename).href;
    return `${source}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
  }

  #readMap(): SourceMap | null {
    const { text } = this.#code;
    const at = text.lastIndexOf(MAP_MARK);
    if (at < 0) return null;
    const encoded = text.slice(at + MAP_MARK.length).split("\n", 1)[0] ?? "";
    return new SourceMap(JSON.parse(Buffer.from(encoded, "base64").toString("utf8")));
  }
}
