/**
 * Aligned columns for terminal reports, safe to print whatever the cells say.
 */

/** Longest cell; what a hostile file calls itself must not flood the terminal. */
const CELL_LENGTH_MAX = 120;

/** `text` without control characters, cut to a readable length. */
export function printable(text: string): string {
  const safe = text.replace(
    // Control characters, and the marks that turn the direction of text.
    /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (char) => `\\u{${char.charCodeAt(0).toString(16)}}`,
  );
  return safe.length <= CELL_LENGTH_MAX ? safe : `${safe.slice(0, CELL_LENGTH_MAX - 3)}...`;
}

/** Rows as lines, indented by two, each column as wide as its widest cell, two spaces between. */
export function textTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  const lines = [header, ...rows].map((row) => row.map(printable));
  const widths = header.map((_, column) =>
    lines.reduce((widest, row) => Math.max(widest, row[column]?.length ?? 0), 0),
  );
  return lines.map((row) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd(),
  );
}
