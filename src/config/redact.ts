/** Secrets out of what `/config_dump` shows, as Envoy does for fields marked sensitive. */
import type { JsonValue } from "./protobuf.ts";

const SENSITIVE = new Set(["private_key", "password", "pkcs12"]);
const INLINE = new Set(["inline_string", "inline_bytes"]);

/** A copy with inline private keys and passwords replaced by "[redacted]". */
export function redact(json: JsonValue): JsonValue {
  return copy(json, "keep");
}

function copy(json: JsonValue, inline: "keep" | "hide"): JsonValue {
  if (Array.isArray(json)) return json.map((item) => copy(item, inline));
  if (typeof json !== "object" || json === null) return json;
  const entries = Object.entries(json).map(([key, value]): [string, JsonValue] => {
    if (inline === "hide" && INLINE.has(key)) return [key, "[redacted]"];
    return [key, copy(value, SENSITIVE.has(key) ? "hide" : "keep")];
  });
  return Object.fromEntries(entries);
}
