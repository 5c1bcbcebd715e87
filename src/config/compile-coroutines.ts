/**
 * Whether the VM configuration asks for coroutines: `granary.coroutines: true` in a JSON object, as
 * a Struct or as text. The key stands beside those of the guest, which may ignore it. See ADR 56.
 */
import type { Place } from "./place.ts";

const COROUTINES_KEY = "granary.coroutines";
const OPENING_BRACE = 0x7b;

/** What `configuration` says, null when it says nothing; a value of another kind is reported. */
export function coroutinesOf(configuration: Uint8Array, place: Place): boolean | null {
  // Guests may be given anything: what is no object, or does not name the key, is not parsed.
  if (configuration[0] !== OPENING_BRACE) return null;
  const text = Buffer.from(configuration).toString("utf8");
  if (!text.includes(COROUTINES_KEY)) return null;
  const value = valueIn(text);
  if (value === undefined || typeof value === "boolean") return value ?? null;
  place.problem(`${COROUTINES_KEY} is neither true nor false`);
  return null;
}

function valueIn(text: string): unknown {
  try {
    const fields = JSON.parse(text) as Record<string, unknown>;
    return Object.hasOwn(fields, COROUTINES_KEY) ? fields[COROUTINES_KEY] : undefined;
  } catch {
    return undefined;
  }
}
