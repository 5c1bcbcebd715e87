/**
 * Finds functions and their lengths in blanked code (see source-text.ts): declarations, methods,
 * accessors and arrows with a body. Parentheses after `if` and the like are no parameter lists.
 */
import { lineAt } from "./source-text.ts";

export interface FunctionSpan {
  readonly name: string;
  /** 1-based, of the line with the parameter list's end. */
  readonly line: number;
  /** Lines of the body, braces included. */
  readonly lines: number;
}

const NO_FUNCTIONS = new Set(["if", "for", "while", "switch", "catch", "with", "return"]);
const CLOSERS: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

export function functionSpans(code: string): readonly FunctionSpan[] {
  const spans: FunctionSpan[] = [];
  for (let at = code.indexOf("{"); at >= 0; at = code.indexOf("{", at + 1)) {
    const name = functionName(code, at);
    if (name === null) continue;
    const line = lineAt(code, at);
    spans.push({ name, line, lines: lineAt(code, matching(code, at)) - line + 1 });
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

/** Name of the function whose body begins at `brace`, or null when it is another kind of brace. */
function functionName(code: string, brace: number): string | null {
  const before = code.slice(Math.max(0, brace - 400), brace).trimEnd();
  if (before.endsWith("=>")) return "arrow function";
  // The parameter list ends here, or a return type without braces of its own stands in between.
  const head = before.match(/\)\s*(?::[^;{}=]*)?$/);
  if (head === null) return null;
  const close = Math.max(0, brace - 400) + (head.index ?? 0);
  const open = opening(code, close);
  const word = code.slice(0, open).match(/([#\w$]+)\s*(?:<[^()]*>)?\s*$/)?.[1] ?? "function";
  return NO_FUNCTIONS.has(word) ? null : word;
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
