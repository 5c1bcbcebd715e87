/**
 * A small lexer for the style checks: it blanks what is not code, so that the checks may search by
 * words. Line numbers stay the same. It knows comments, strings, templates and regex literals.
 */
export interface SourceText {
  /** The text with comments, string contents and regex contents replaced by spaces. */
  readonly code: string;
  /** Offsets at which regex literals begin. */
  readonly regexOffsets: readonly number[];
  /** Offsets at which template literals with substitutions begin. */
  readonly templateOffsets: readonly number[];
}

/** After these a slash begins a regex, not a division. */
const BEFORE_REGEX = /(?:^|[=(,;:?!&|[{}<>+\-*%~^]|\b(?:return|typeof|case|in|of|await))\s*$/;

class Lexer {
  readonly #text: string;
  readonly #out: string[];
  #at = 0;
  readonly regexOffsets: number[] = [];
  readonly templateOffsets: number[] = [];

  constructor(text: string) {
    this.#text = text;
    this.#out = text.split("");
  }

  get code(): string {
    return this.#out.join("");
  }

  /** Reads code until `stop` at depth 0 ("" = the end of the text); stands after it then. */
  run(stop: string): void {
    let depth = 0;
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at] ?? "";
      if (char === stop && depth === 0) {
        this.#at++;
        return;
      }
      if (char === "{") depth++;
      if (char === "}") depth--;
      if (!this.#skipLiteral(char)) this.#at++;
    }
  }

  /** Skips what begins here and is not code; false when code begins here. */
  #skipLiteral(char: string): boolean {
    const start = this.#at;
    if (this.#text.startsWith("//", start)) this.#blankTo(this.#find("\n", start), start);
    else if (this.#text.startsWith("/*", start)) this.#blankTo(this.#find("*/", start) + 2, start);
    else if (char === '"' || char === "'") this.#quoted(char);
    else if (char === "`") this.#template();
    else if (char === "/" && BEFORE_REGEX.test(this.#code(start))) this.#regex();
    else return false;
    return true;
  }

  /** The blanked code of this line up to `end`, or of the line before when this one is empty. */
  #code(end: number): string {
    return this.#out.slice(Math.max(0, end - 80), end).join("");
  }

  #find(what: string, from: number): number {
    const found = this.#text.indexOf(what, from);
    return found < 0 ? this.#text.length : found;
  }

  #blankTo(end: number, start: number): void {
    for (let index = start; index < end; index++) {
      if (this.#out[index] !== "\n") this.#out[index] = " ";
    }
    this.#at = end;
  }

  /** The quotes stay, so that what stands before a later slash is still seen as a value. */
  #quoted(quote: string): void {
    let end = this.#at + 1;
    while (end < this.#text.length && this.#text[end] !== quote) {
      end += this.#text[end] === "\\" ? 2 : 1;
    }
    this.#blankTo(end, this.#at + 1);
    this.#at = end + 1;
  }

  #template(): void {
    const start = this.#at;
    let from = ++this.#at;
    let substitutions = 0;
    while (this.#at < this.#text.length && this.#text[this.#at] !== "`") {
      if (this.#text.startsWith("${", this.#at)) {
        this.#blankTo(this.#at, from);
        substitutions++;
        this.#at += 2;
        this.run("}");
        from = this.#at;
      } else {
        this.#at += this.#text[this.#at] === "\\" ? 2 : 1;
      }
    }
    this.#blankTo(this.#at, from);
    this.#at++;
    if (substitutions > 0) this.templateOffsets.push(start);
  }

  #regex(): void {
    const start = this.#at;
    this.regexOffsets.push(start);
    let inClass = false;
    let end = start + 1;
    for (; end < this.#text.length; end++) {
      const char = this.#text[end];
      if (char === "\\") end++;
      else if (char === "[") inClass = true;
      else if (char === "]") inClass = false;
      else if (char === "\n" || (char === "/" && !inClass)) break;
    }
    this.#blankTo(end, start + 1);
    this.#at = end + 1;
  }
}

export function readSource(text: string): SourceText {
  const lexer = new Lexer(text);
  lexer.run("");
  return {
    code: lexer.code,
    regexOffsets: lexer.regexOffsets,
    templateOffsets: lexer.templateOffsets,
  };
}

/** 1-based line of an offset. */
export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at >= 0 && at < offset; at = text.indexOf("\n", at + 1)) line++;
  return line;
}
