/**
 * The code of the null engine: a TypeScript or JavaScript file on this machine, made one script
 * with what it imports. It is trusted, so nothing else is taken (ADR 60).
 */
import { createHash } from "node:crypto";
import { isAbsolute, resolve } from "node:path";
import type { VmConfig as VmMessage } from "../gen/envoy/extensions/wasm/v3/wasm_pb.ts";
import type { Place } from "./place.ts";
import type { IsolationConfig } from "./types.ts";

export const NULL_RUNTIME = "envoy.wasm.runtime.null";

/** Bundles the code; its sha256, or null after a problem. `place` is that of `code`. */
export function compileScript(
  message: VmMessage,
  isolation: IsolationConfig,
  place: Place,
): string | null {
  const specifier = message.code?.specifier;
  const source = specifier?.case === "local" ? specifier.value.specifier : undefined;
  if (source?.case !== "filename") {
    const hint = "set code.local.filename to a .ts, .js or .mjs file";
    place.problem(`${NULL_RUNTIME} takes code from a file on this machine alone`, hint);
    return null;
  }
  const field = place.child("local").child("filename");
  if (isolation.publicKeys !== null) {
    const hint = "leave the plugin out of public_keys of granary.wasm, or make it a Wasm module";
    field.problem("a script has no signature", hint);
    return null;
  }
  const { context } = place;
  const path = isAbsolute(source.value) ? source.value : resolve(context.baseDir, source.value);
  const { text, name, files, problems } = context.bundleScript(path);
  for (const file of files) context.files.add(file);
  for (const problem of problems) field.problem(problem);
  if (problems.length > 0) return null;
  const bytes = new Uint8Array(Buffer.from(text));
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  context.modules.set(sha256, { sha256, origin: source.value, bytes, scriptName: name });
  return sha256;
}
