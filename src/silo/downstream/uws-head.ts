/**
 * The head of one response in the form that uWS takes. uWS writes what it is given as it is, so
 * status line and fields go to it as one text, and whatever could end a line is left out here.
 * @hot per-request
 */
import { isValidHeaderValue } from "../../http/field-syntax.ts";
import { LENGTH_LINE, lineStart, WITHHELD } from "../../http/h1/line-starts.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import { statusText } from "../../http/status-text.ts";
import type { UwsText } from "./uws-library.ts";

export const CLOSE_LINE = "\r\nconnection: close";
const DATE = "date";

/**
 * Status and fields, each line but the first with the CR LF before it; uWS adds the last one. The
 * framing is the caller's, and the date is written by uWS itself: both are left out.
 */
export function uwsHead(status: string, headers: HeaderMap): string {
  let text = status === "200" ? "200 OK" : status + " " + statusText(Number(status));
  const count = headers.count;
  for (let i = 0; i < count; i++) {
    const name = headers.nameAt(i);
    const line = lineStart(name);
    if (line === WITHHELD || line === LENGTH_LINE || name === DATE) continue;
    const value = headers.valueAt(i);
    if (isValidHeaderValue(value)) text += line + value;
  }
  return text;
}

/** uWS encodes strings as UTF-8; ours are latin1. */
export function wireText(text: string): UwsText {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0x7f) return Buffer.from(text, "latin1");
  }
  return text;
}
