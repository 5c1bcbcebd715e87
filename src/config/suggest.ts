/** Hints for names that do not exist: the nearest one that does. */
import type { DescMessage } from "./protobuf.ts";

/** Levenshtein distance, given up (returns `limit + 1`) when the lengths alone exceed `limit`. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? limit + 1;
}

/** The candidate nearest to `name`, or null when none is near (a third of the letters). */
export function closest(name: string, candidates: readonly string[]): string | null {
  if (name.length > 100) return null;
  const limit = Math.max(1, Math.floor(name.length / 3));
  let best: string | null = null;
  let least = limit + 1;
  for (const candidate of candidates) {
    const d = distance(name.toLowerCase(), candidate.toLowerCase(), limit);
    if (d < least) {
      best = candidate;
      least = d;
    }
  }
  return best;
}

/** What to do about an unknown field of `desc`, and the field that was probably meant. */
export function fieldHint(name: string, desc: DescMessage): { hint: string; meant: string | null } {
  const names = desc.fields.map((field) => field.name);
  const near = closest(name, names);
  if (near !== null) return { hint: `did you mean "${near}"?`, meant: near };
  if (names.length === 0) return { hint: "this message has no fields: remove it", meant: null };
  const some = names.slice(0, 12).join(", ");
  const more = names.length > 12 ? ", ..." : "";
  return { hint: `remove it; the fields here are ${some}${more}`, meant: null };
}
