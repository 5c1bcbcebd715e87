/**
 * The one door to re2js: regular expressions with RE2's semantics, linear in the text, so that a
 * pattern of the configuration cannot be made to hang a silo.
 * Thread: any; a compiled expression belongs to the thread that made it.
 */
import { RE2JS } from "re2js";

/** A piece of a substitution: literal text, or the number of a group. */
type Piece = string | number;

/** One compiled expression. */
export class Regex {
  readonly source: string;
  readonly #re2: RE2JS;
  /** The substitution last used and its pieces: a route always passes the same one. */
  #substitution = "";
  #pieces: readonly Piece[] = [];

  /** Use {@link compileRegex}. */
  constructor(source: string, re2: RE2JS) {
    this.source = source;
    this.#re2 = re2;
  }

  /** Number of capturing groups, the whole match not counted. */
  get groupCount(): number {
    return this.#re2.groupCount();
  }

  /** Whether the expression matches the whole of `text` (Envoy's FullMatch). */
  matchesFull(text: string): boolean {
    return this.#re2.testExact(text);
  }

  /** Whether the expression matches somewhere in `text`. */
  matchesPartly(text: string): boolean {
    return this.#re2.test(text);
  }

  /**
   * Replaces every match (RE2::GlobalReplace).
   * @param substitution `\0` to `\9` are groups, `\\` a backslash; checked by `substitutionError`.
   */
  replaceAll(text: string, substitution: string): string {
    if (substitution !== this.#substitution) {
      this.#pieces = parseSubstitution(substitution);
      this.#substitution = substitution;
    }
    const matcher = this.#re2.matcher(text);
    let result = "";
    let from = 0;
    while (matcher.find()) {
      result += text.slice(from, matcher.start());
      for (const piece of this.#pieces) {
        result += typeof piece === "string" ? piece : (matcher.group(piece) ?? "");
      }
      from = matcher.end();
    }
    return from === 0 && result === "" ? text : result + text.slice(from);
  }

  /**
   * The first match that takes part in group 1: where group 1 lies, and the text of group 2, or of
   * group 1 where there is no second. Null when there is none.
   */
  findGroups(text: string): { start: number; end: number; value: string } | null {
    const matcher = this.#re2.matcher(text);
    if (this.groupCount === 0 || !matcher.find()) return null;
    const first = matcher.group(1);
    if (first === null) return null;
    const value = this.groupCount > 1 ? (matcher.group(2) ?? "") : first;
    return { start: matcher.start(1), end: matcher.end(1), value };
  }

  /** What is wrong with `substitution` for this expression, or null. */
  substitutionError(substitution: string): string | null {
    if (/(?<!\\)(?:\\\\)*\\(?![\\0-9])/.test(substitution)) {
      return 'a backslash must be followed by a digit or a backslash in "substitution"';
    }
    for (const piece of parseSubstitution(substitution)) {
      if (typeof piece === "number" && piece > this.groupCount) {
        return `\\${piece} names a group, but the regex has only ${this.groupCount}`;
      }
    }
    return null;
  }
}

/**
 * Compiles `source` with RE2's syntax (no backreferences, no lookaround).
 * @returns the expression, or the reason why it is none.
 */
export function compileRegex(source: string): Regex | { readonly error: string } {
  try {
    return new Regex(source, RE2JS.compile(source));
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

/** A regex that was checked when the configuration was read. Throws on any other. */
export function checkedRegex(source: string): Regex {
  const regex = compileRegex(source);
  if ("error" in regex) throw new Error(`regex ${source}: ${regex.error}`);
  return regex;
}

function parseSubstitution(substitution: string): Piece[] {
  const pieces: Piece[] = [];
  let text = "";
  for (let i = 0; i < substitution.length; i++) {
    const next = substitution[i + 1] ?? "";
    if (substitution[i] !== "\\" || !/^[\\0-9]$/.test(next)) {
      text += substitution[i];
      continue;
    }
    i++;
    if (next === "\\") {
      text += next;
      continue;
    }
    if (text !== "") pieces.push(text);
    text = "";
    pieces.push(Number(next));
  }
  if (text !== "") pieces.push(text);
  return pieces;
}
