/**
 * What is wrong with a configuration: collected, never thrown, so that an operator sees everything
 * at
 * once. Later passes stay quiet about a field that an earlier pass has already reported.
 */

export interface Position {
  /** File name, or what `loadConfig` was told. */
  readonly origin: string;
  /** 1-based. */
  readonly line: number;
  /** 1-based. */
  readonly column: number;
}

export interface ConfigProblem extends Position {
  /** Proto field names: `static_resources.listeners[0].address`; "" = the whole document. */
  readonly path: string;
  readonly message: string;
  /** What to do about it; "" when the message says it. */
  readonly hint: string;
}

/** Problems and warnings of one load. Thread: main. */
export class ProblemList {
  readonly #positions = new Map<string, Position>();
  readonly #origin: string;
  readonly #paths = new Set<string>();
  readonly problems: ConfigProblem[] = [];
  readonly warnings: ConfigProblem[] = [];

  constructor(origin: string) {
    this.#origin = origin;
  }

  /** Remembers where `path` stands; a later call (the overlay) wins. */
  locate(path: string, position: Position): void {
    this.#positions.set(path, position);
  }

  /** Position of `path`, or of the nearest enclosing field that is written in the text. */
  positionOf(path: string): Position {
    for (let at = path; ; at = parentOf(at)) {
      const found = this.#positions.get(at);
      if (found !== undefined) return found;
      if (at === "") return { origin: this.#origin, line: 1, column: 1 };
    }
  }

  /** Reports `path` at a known position. */
  addAt(path: string, position: Position, text: { message: string; hint: string }): void {
    this.problems.push({ path, ...position, ...text });
    for (let at = path; ; at = parentOf(at)) {
      this.#paths.add(at);
      if (at === "") break;
    }
  }

  /** Reports `path`, unless it or something inside it has been reported before. */
  add(path: string, message: string, hint = ""): void {
    if (path !== "" && this.#paths.has(path)) return;
    this.addAt(path, this.positionOf(path), { message, hint });
  }

  /** Whether `path` or something inside it has been reported. */
  reported(path: string): boolean {
    return this.#paths.has(path);
  }

  /** Later passes say nothing about `path`: what is wrong with it has been said. */
  mute(path: string): void {
    this.#paths.add(path);
  }

  warn(path: string, message: string, hint = ""): void {
    this.warnings.push({ path, ...this.positionOf(path), message, hint });
  }
}

/** The path without its last field, index or key. */
function parentOf(path: string): string {
  if (path.endsWith('"]')) {
    const at = path.lastIndexOf('["');
    if (at >= 0) return path.slice(0, at);
  }
  return path.slice(0, Math.max(0, path.lastIndexOf("."), path.lastIndexOf("[")));
}

/** By origin, line and column: the order in which an operator reads the file. */
export function sortProblems(problems: readonly ConfigProblem[]): ConfigProblem[] {
  return problems.toSorted(
    (a, b) =>
      a.origin.localeCompare(b.origin) ||
      a.line - b.line ||
      a.column - b.column ||
      (a.path < b.path ? -1 : 1),
  );
}

/** The text for stderr: one or two lines a problem, `origin:line:column: path: message`. */
export function formatProblems(problems: readonly ConfigProblem[]): string {
  let text = "";
  for (const { origin, line, column, path, message, hint } of problems) {
    text += `${origin}:${line}:${column}: ${path === "" ? "" : `${path}: `}${message}\n`;
    if (hint !== "") text += `    ${hint}\n`;
  }
  return text;
}
