/**
 * The start of the line for each field name, so that checking a name, leaving it out and writing it
 * are one look-up.
 * @hot per-request
 */
import { isValidHeaderName } from "../field-syntax.ts";
import { KNOWN_NAMES } from "./header-names.ts";

/** The field does not go out: it is a pseudo-header, about this connection only, or malformed. */
export const WITHHELD = "";
/** The content-length, which the framing decides about. */
export const LENGTH_LINE = "\r\ncontent-length: ";

/** More names than that are an attack on our memory; they are checked each time. */
const NAMES_MAX = 1_024;

const starts = new Map<string, string>();
for (const name of KNOWN_NAMES.slice(1)) starts.set(name, "\r\n" + name + ": ");
starts.set("content-length", LENGTH_LINE);
for (const name of [
  ":authority",
  ":method",
  ":path",
  ":scheme",
  ":status",
  "connection",
  "host",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]) {
  starts.set(name, WITHHELD);
}

/** CR LF, `name`, colon and space; or WITHHELD. Thread: any, each has its own table. */
export function lineStart(name: string): string {
  return starts.get(name) ?? newLineStart(name);
}

function newLineStart(name: string): string {
  if (!isValidHeaderName(name)) return WITHHELD;
  const start = "\r\n" + name + ": ";
  if (starts.size < NAMES_MAX) starts.set(name, start);
  return start;
}
