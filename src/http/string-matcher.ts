/**
 * Envoy's StringMatcher: exact, prefix, suffix, contains, regex. Compiled once, then no allocation
 * but what a regex or ignoring case needs. @hot per-request
 */
import { checkedRegex, type Regex } from "./regex.ts";

export type StringMatch =
  | {
      readonly kind: "exact" | "prefix" | "suffix" | "contains";
      readonly value: string;
      readonly ignoreCase: boolean;
    }
  | { readonly kind: "regex"; readonly regex: string };

export class StringMatcher {
  readonly #kind: StringMatch["kind"];
  readonly #wanted: string;
  readonly #ignoreCase: boolean;
  readonly #regex: Regex | null;

  /** Throws on a regex that the configuration would have refused. */
  constructor(match: StringMatch) {
    this.#kind = match.kind;
    this.#ignoreCase = match.kind !== "regex" && match.ignoreCase;
    const value = match.kind === "regex" ? "" : match.value;
    this.#wanted = this.#ignoreCase ? value.toLowerCase() : value;
    this.#regex = match.kind === "regex" ? checkedRegex(match.regex) : null;
  }

  matches(value: string): boolean {
    const text = this.#ignoreCase ? value.toLowerCase() : value;
    switch (this.#kind) {
      case "exact":
        return text === this.#wanted;
      case "prefix":
        return text.startsWith(this.#wanted);
      case "suffix":
        return text.endsWith(this.#wanted);
      case "contains":
        return text.includes(this.#wanted);
      default:
        return this.#regex?.matchesFull(text) ?? false;
    }
  }
}
