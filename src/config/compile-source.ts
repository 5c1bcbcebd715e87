/** DataSource (a file, bytes or text in place, an environment variable) to bytes. */
import type { DataSource } from "../gen/envoy/config/core/v3/base_pb.ts";
import type { Place } from "./place.ts";

/** Content and, for messages, where it came from. */
export interface SourceBytes {
  readonly bytes: Uint8Array;
  readonly origin: string;
  /** The field it was in: `filename`, `inline_string`... */
  readonly field: string;
}

/** Null after a problem has been reported. `sizeMax` is in bytes. */
export function readSource(source: DataSource, place: Place, sizeMax?: number): SourceBytes | null {
  const { specifier } = source;
  switch (specifier.case) {
    case "filename": {
      const bytes = place.child("filename").readFile(specifier.value, sizeMax);
      return bytes === null ? null : { bytes, origin: specifier.value, field: "filename" };
    }
    case "inlineBytes":
      return { bytes: specifier.value, origin: "inline", field: "inline_bytes" };
    case "inlineString":
      return inlineText(specifier.value, "inline", "inline_string");
    case "environmentVariable": {
      const value = process.env[specifier.value];
      if (value !== undefined) {
        return inlineText(value, specifier.value, "environment_variable");
      }
      const variable = `the environment variable "${specifier.value}"`;
      place
        .child("environment_variable")
        .problem(`${variable} is not set`, "set it or use filename");
      return null;
    }
    default:
      place.problem("no content", "set filename, inline_string or inline_bytes");
      return null;
  }
}

function inlineText(text: string, origin: string, field: string): SourceBytes {
  return { bytes: new Uint8Array(Buffer.from(text)), origin, field };
}

/** The content as UTF-8 text. */
export function readSourceText(source: DataSource, place: Place): string | null {
  const read = readSource(source, place);
  return read === null ? null : Buffer.from(read.bytes).toString("utf8");
}
