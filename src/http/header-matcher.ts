/**
 * Envoy's HeaderMatcher: a rule about one header of a message, in routes, retry policies and access
 * log filters. Compiled once. @hot per-request
 */
import type { HeaderMap } from "./header-map.ts";
import { type StringMatch, StringMatcher } from "./string-matcher.ts";

export interface HeaderMatch {
  readonly name: string;
  readonly match:
    | { readonly kind: "string"; readonly string: StringMatch }
    | { readonly kind: "range"; readonly start: number; readonly end: number }
    | { readonly kind: "present"; readonly present: boolean };
  readonly invert: boolean;
  readonly treatMissingAsEmpty: boolean;
}

export class HeaderMatcher {
  readonly #rule: HeaderMatch;
  readonly #string: StringMatcher | null;

  constructor(rule: HeaderMatch) {
    this.#rule = rule;
    this.#string = rule.match.kind === "string" ? new StringMatcher(rule.match.string) : null;
  }

  /** Several fields of one name count as one value, joined by commas. */
  matches(headers: HeaderMap): boolean {
    const { name, match, invert, treatMissingAsEmpty } = this.#rule;
    const present = headers.getJoined(name);
    if (match.kind === "present") return (present !== null) === (match.present !== invert);
    const value = present ?? (treatMissingAsEmpty ? "" : null);
    // A missing header matches neither a rule nor its inversion, as in Envoy.
    if (value === null) return false;
    if (match.kind === "string") return this.#string?.matches(value) !== invert;
    const number = integerOf(value);
    return (number >= match.start && number < match.end) !== invert;
  }
}

/** Whether every matcher holds; true for none. */
export function matchesAll(matchers: readonly HeaderMatcher[], headers: HeaderMap): boolean {
  for (const matcher of matchers) if (!matcher.matches(headers)) return false;
  return true;
}

/** The value of a decimal integer with an optional minus sign; NaN for anything else. */
function integerOf(text: string): number {
  const start = text.startsWith("-") ? 1 : 0;
  if (text.length === start) return Number.NaN;
  for (let i = start; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return Number.NaN;
  }
  return Number(text);
}
