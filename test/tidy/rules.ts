/**
 * The style checks: each takes one source file and answers its violations, so that each can be
 * shown a bad sample. Paths are relative to `src` with forward slashes.
 */
import { type FunctionSpan, functionSpans } from "./functions.ts";
import { IMPORT_TABLE, ONLY_DOORS, PACKAGE_DOORS, PUBLIC_TYPES } from "./import-table.ts";
import { lineAt, readSource } from "./source-text.ts";

export interface SourceFile {
  /** Such as `vm/plugin-host.ts`. */
  readonly path: string;
  readonly text: string;
}

export type Rule = (file: SourceFile) => readonly string[];

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;
const LINE_CHARS_MAX = 100;

interface ImportStatement {
  readonly typeOnly: boolean;
  readonly target: string;
  readonly line: number;
}

/** Import and re-export statements; the lexer blanks strings, so these are read from the text. */
function importsOf(text: string): readonly ImportStatement[] {
  const pattern = /^\s*(?:import|export)\s+(type\s)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"/gm;
  return [...text.matchAll(pattern)].map((match) => ({
    typeOnly: match[1] !== undefined,
    target: match[2] ?? "",
    line: lineAt(text, match.index + match[0].length),
  }));
}

/** `../base/log.ts` as seen from `vm/plugin-host.ts` is `base/log.ts`. */
function resolveImport(from: string, target: string): string {
  const parts = from.split("/").slice(0, -1);
  for (const part of target.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

function folderOf(path: string): string {
  return path.split("/")[0] ?? "";
}

export const importDirections: Rule = ({ path, text }) => {
  const allowed = IMPORT_TABLE[folderOf(path)];
  if (allowed === undefined) return [`${path}: folder ${folderOf(path)} has no row in the table`];
  const problems: string[] = [];
  for (const { target, typeOnly, line } of importsOf(text)) {
    if (!target.startsWith(".")) continue;
    const file = resolveImport(path, target);
    const folder = folderOf(file);
    if (folder === folderOf(path)) continue;
    const doors = ONLY_DOORS[folder];
    const ok =
      (typeOnly && PUBLIC_TYPES.includes(file)) ||
      (allowed.includes(folder) && (doors === undefined || doors.includes(file)));
    if (!ok) problems.push(`${path}:${line}: ${folderOf(path)} may not import ${file}`);
  }
  return problems;
};

export const packageDoors: Rule = ({ path, text }) => {
  const problems: string[] = [];
  for (const { target, line } of importsOf(text)) {
    if (target.startsWith(".") || target.startsWith("node:")) continue;
    const name = target
      .split("/")
      .slice(0, target.startsWith("@") ? 2 : 1)
      .join("/");
    const doors = PACKAGE_DOORS[name];
    if (doors === undefined) problems.push(`${path}:${line}: package ${name} has no door`);
    else if (!doors.includes(path)) problems.push(`${path}:${line}: ${name} enters by ${doors}`);
  }
  return problems;
};

export const sizes: Rule = ({ path, text }) => {
  const problems: string[] = [];
  const lines = text.trimEnd().split("\n");
  if (lines.length > FILE_LINES_MAX) problems.push(`${path}: ${lines.length} lines`);
  for (const [index, line] of lines.entries()) {
    // A long string or regex cannot be broken; a comment can.
    const unbreakable = /https?:|["'`]|\/.*\//.test(line) && !/^\s*(?:\/\*)?\*/.test(line);
    if (line.length > LINE_CHARS_MAX && !unbreakable) {
      problems.push(`${path}:${index + 1}: ${line.length} characters`);
    }
  }
  for (const { name, line, lines: length } of functionSpans(readSource(text).code)) {
    if (length > FUNCTION_LINES_MAX) problems.push(`${path}:${line}: ${name} has ${length} lines`);
  }
  return problems;
};

interface Ban {
  readonly pattern: RegExp;
  readonly instead: string;
  /** Files and folders (ending in a slash) where it may stand. */
  readonly except: readonly string[];
}

/** Composition roots hand out what others receive. */
const ROOTS = ["main/main.ts", "silo/silo.ts", "silo/create-services.ts"];

const BANS: readonly Ban[] = [
  { pattern: /\bconsole\.\w+/g, instead: "base/log.ts", except: [] },
  { pattern: /\bDate\.now\b/g, instead: "base/clock.ts", except: ["base/clock.ts"] },
  { pattern: /\bnew Date\(\s*\)/g, instead: "base/clock.ts", except: [] },
  { pattern: /\bMath\.random\b/g, instead: "an injected random()", except: ROOTS },
  {
    pattern: /\bset(?:Timeout|Interval)\b/g,
    instead: "base/clock.ts",
    except: ["base/clock.ts", "main/"],
  },
  { pattern: /\bas any\b|<any>/g, instead: "unknown and a check", except: [] },
  { pattern: /\b(?:enum|namespace)\s+\w+\s*\{/g, instead: "an as-const object", except: [] },
  { pattern: /\bprocess\.exit\b/g, instead: "a result that main acts on", except: ["main/"] },
];

export const bannedCalls: Rule = ({ path, text }) => {
  if (path.endsWith(".d.ts")) return [];
  const { code } = readSource(text);
  return BANS.flatMap(({ pattern, instead, except }) => {
    if (except.some((place) => path === place || (place.endsWith("/") && path.startsWith(place)))) {
      return [];
    }
    return [...code.matchAll(pattern)].map(
      (match) => `${path}:${lineAt(code, match.index)}: ${match[0].trim()}: use ${instead}`,
    );
  });
};

/** What a file marked `@hot` may not contain, but for functions that say "setup time" above. */
const HOT_BANS: readonly RegExp[] = [/\basync\b/g, /\bawait\b/g, /\bPromise\b/g, /\bnew RegExp\b/g];

/** Whether `offset` lies in a function whose comment says that it runs at setup time. */
function isSetup(text: string, spans: readonly FunctionSpan[], offset: number): boolean {
  return spans.some(({ head, end }) => {
    if (offset < head || offset > end) return false;
    const before = text.slice(0, text.lastIndexOf("\n", head) + 1).trimEnd();
    if (!before.endsWith("*/")) return false;
    return /\bsetup time\b/i.test(before.slice(before.lastIndexOf("/**")));
  });
}

/** Whether the head comment of the file says `@hot`. */
export function isHot(text: string): boolean {
  return /^\/\*\*(?:(?!\*\/)[\s\S])*@hot\b/.test(text);
}

export const hotModules: Rule = ({ path, text }) => {
  if (!isHot(text)) return [];
  const { code, regexOffsets } = readSource(text);
  const spans = functionSpans(code);
  const found = [
    ...HOT_BANS.flatMap((pattern) =>
      [...code.matchAll(pattern)].map(({ 0: what, index }) => ({ what, index })),
    ),
    ...regexOffsets.map((index) => ({ what: "regex", index })),
  ];
  return found
    .filter(({ index }) => !isSetup(text, spans, index))
    .map(({ what, index }) => `${path}:${lineAt(text, index)}: ${what} in a @hot file`);
};

export const headComment: Rule = ({ path, text }) =>
  /^\/\*\*\s/.test(text) ? [] : [`${path}: no head comment that says what the file is`];

export const RULES: Readonly<Record<string, Rule>> = {
  "imports go down the table": importDirections,
  "packages enter by one door": packageDoors,
  "files, functions and lines are short": sizes,
  "banned calls have a replacement": bannedCalls,
  "hot files hold nothing slow": hotModules,
  "every file says what it is": headComment,
};
