/**
 * The `filter` and `name_regex` parameters: RE2 expressions of bounded length over names. Source:
 * Envoy, Admin::Utility.
 */
import { compileRegex } from "../http/regex.ts";

/** Longer expressions serve no reader and cost main's time. */
const FILTER_CHARACTERS_MAX = 1_024;

/** RE2's own words for what re2js calls otherwise. */
const RE2_WORDS: Readonly<Record<string, string>> = {
  "missing closing )": "missing )",
  "missing closing ]": "missing ]",
  "unexpected )": "unexpected )",
  "missing argument to repetition operator": "no argument for repetition operator",
  "invalid nested repetition operator": "bad repetition operator",
  "invalid repeat count": "invalid repetition size",
  "trailing backslash at end of expression": "trailing \\",
  "invalid or unsupported Perl syntax": "invalid perl operator",
  "invalid named capture": "invalid named capture group",
};

export type NameFilter =
  | { readonly kind: "ok"; matches(name: string): boolean }
  | { readonly kind: "error"; readonly reason: string };

const MATCH_ALL: NameFilter = { kind: "ok", matches: () => true };

/**
 * @param source the expression; null or "" matches every name
 * @param extent whether it has to match the whole name or some part of it
 */
export function nameFilter(source: string | null, extent: "part" | "whole" = "part"): NameFilter {
  if (source === null || source === "") return MATCH_ALL;
  if (source.length > FILTER_CHARACTERS_MAX) {
    return { kind: "error", reason: `pattern too large - more than ${FILTER_CHARACTERS_MAX}` };
  }
  const regex = compileRegex(source);
  if ("error" in regex) return { kind: "error", reason: re2Reason(regex.error) };
  const matches = (name: string): boolean =>
    extent === "whole" ? regex.matchesFull(name) : regex.matchesPartly(name);
  return { kind: "ok", matches };
}

function re2Reason(message: string): string {
  const parts = /^error parsing regexp: ([^:`]+?)(?::? `(.*)`)?$/s.exec(message);
  if (parts === null) return message;
  const [, reason = message, near] = parts;
  const words = RE2_WORDS[reason] ?? reason;
  return near === undefined ? words : `${words}: ${near}`;
}
