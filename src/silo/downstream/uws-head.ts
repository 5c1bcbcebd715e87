/**
 * The head of one response in the form that uWS takes, fixed at the moment the stream sends it. uWS
 * writes names and values as they are, so whatever could end a line is left out here.
 * @hot per-request
 */
import { isValidHeaderValue } from "../../http/field-syntax.ts";
import { lineStart, WITHHELD } from "../../http/h1/line-starts.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import { statusText } from "../../http/status-text.ts";
import type { UwsResponseHandle, UwsText } from "./uws-library.ts";

export class UwsHead {
  #status = "";
  #names: string[] = [];
  #values: UwsText[] = [];

  /**
   * Takes the fields that go out. The framing is the caller's, and the date is written by uWS
   * itself: both are left out.
   */
  take(status: string, headers: HeaderMap): void {
    this.#status = `${status} ${statusText(Number(status))}`;
    this.#names = [];
    this.#values = [];
    for (let i = 0; i < headers.count; i++) {
      const name = headers.nameAt(i);
      if (name === "content-length" || name === "date" || lineStart(name) === WITHHELD) continue;
      const value = headers.valueAt(i);
      if (isValidHeaderValue(value)) this.add(name, value);
    }
  }

  /** Appends a field. */
  add(name: string, value: string): void {
    this.#names.push(name);
    this.#values.push(wireText(value));
  }

  /** Call inside `cork`. */
  write(handle: UwsResponseHandle): void {
    handle.writeStatus(this.#status);
    for (let i = 0; i < this.#names.length; i++) {
      handle.writeHeader(this.#names[i] as string, this.#values[i] as UwsText);
    }
  }
}

/** uWS encodes strings as UTF-8; ours are latin1. */
function wireText(value: string): UwsText {
  for (let i = 0; i < value.length; i++) {
    if (value.charCodeAt(i) > 0x7f) return Buffer.from(value, "latin1");
  }
  return value;
}
