/**
 * Finds functions and their lengths in blanked code (see source-text.ts): declarations, methods,
 * accessors and arrows with a body. Parentheses after `if` and the like are no parameter lists.
 */
import { lineAt } from "./source-text.ts";

export interface FunctionSpan {
  readonly name: string;
  /** 1-based, of the line with the opening brace. */
  readonly line: number;
  /** Lines of the body, braces included. */
  readonly lines: number;
  /** Offset of the parameter list, or of the brace for arrows. */
  readonly head: number;
  /** Offsets of the braces. */
  readonly start: number;
  readonly end: number;
}

const NO_FUNCTIONS = new Set(["if", "for", "while", "switch", "catch", "with", "return"]);
const CLOSERS: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

export function functionSpans(code: string): readonly FunctionSpan[] {
  const spans: FunctionSpan[] = [];
  for (let start = code.indexOf("{"); start >= 0; start = code.indexOf("{", start + 1)) {
    const found = functionHead(code, start);
    if (found === null) continue;
    const line = lineAt(code, start);
    const end = matching(code, start);
    spans.push({ ...found, line, lines: lineAt(code, end) - line + 1, start, end });
  }
  return spans;
}

/** Offset of the bracket that closes the one at `open`. */
function matching(code: string, open: number): number {
  const opener = code[open] ?? "";
  const closer = CLOSERS[opener];
  let depth = 0;
  for (let at = open; at < code.length; at++) {
    if (code[at] === opener) depth++;
    else if (code[at] === closer && --depth === 0) return at;
  }
  return code.length;
}

/** The function whose body begins at `brace`, or null when it is another kind of brace. */
function functionHead(code: string, brace: number): { name: string; head: number } | null {
  const from = Math.max(0, brace - 400);
  const before = code.slice(from, brace).trimEnd();
  if (before.endsWith("=>")) return { name: "arrow function", head: brace };
  // The parameter list ends here, or a return type without braces of its own stands in between.
  const list = before.match(/\)\s*(?::[^;{}=]*)?$/);
  if (list === null) return null;
  const head = opening(code, from + (list.index ?? 0));
  const name = code.slice(0, head).match(/([#\w$]+)\s*(?:<[^()]*>)?\s*$/)?.[1] ?? "function";
  return NO_FUNCTIONS.has(name) ? null : { name, head };
}

/** Offset of the parenthesis that opens the list closed at `close`. */
function opening(code: string, close: number): number {
  let depth = 0;
  for (let at = close; at >= 0; at--) {
    if (code[at] === ")") depth++;
    else if (code[at] === "(" && --depth === 0) return at;
  }
  return 0;
}
