/**
 * The door of esbuild: makes one CommonJS script of a filter's TypeScript or JavaScript and all it
 * imports, with its source map inside. Types are stripped, not checked. Thread: main.
 */
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type * as EsbuildModule from "esbuild";
import type { ScriptBundle } from "../config/place.ts";

type Esbuild = typeof EsbuildModule;

/** Loaded for the first script: most configurations have none. */
let esbuild: Esbuild | null = null;

function load(): Esbuild {
  esbuild ??= createRequire(import.meta.url)("esbuild") as Esbuild;
  return esbuild;
}

/** `path` is absolute. Never throws. */
export function bundleScript(path: string): ScriptBundle {
  const outfile = `${path}.granary.cjs`;
  const name = pathToFileURL(outfile).href;
  try {
    const { outputFiles, metafile } = load().buildSync({
      entryPoints: [path],
      outfile,
      bundle: true,
      write: false,
      metafile: true,
      format: "cjs",
      platform: "node",
      target: `node${process.versions.node}`,
      sourcemap: "inline",
      charset: "utf8",
      logLevel: "silent",
    });
    const files = Object.keys(metafile.inputs).map((file) => resolve(file));
    return { text: outputFiles[0]?.text ?? "", name, files, problems: [] };
  } catch (error) {
    return { text: "", name, ...failureOf(error, path) };
  }
}

/** What the bundler found, each with its place. */
function failureOf(error: unknown, path: string): Pick<ScriptBundle, "files" | "problems"> {
  const errors = (error as Partial<EsbuildModule.BuildFailure>).errors ?? [];
  if (errors.length === 0) {
    const reason = error instanceof Error ? error.message : String(error);
    return { files: [path], problems: [`${path}: ${reason.split("\n", 1)[0] ?? ""}`] };
  }
  const places = errors.map(({ location }) => location);
  const files = places.flatMap((place) => (place === null ? [] : [resolve(place.file)]));
  const problems = errors.map(({ text, location }) => {
    if (location === null) return `${path}: ${text}`;
    const { file, line, column, lineText } = location;
    return `${resolve(file)}:${line}:${column + 1}: ${text}, at: ${lineText.trim()}`;
  });
  return { files: [path, ...files], problems };
}
