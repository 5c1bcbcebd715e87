/**
 * What a filter let pass in one direction of a stream: its headers and trailers as they were then,
 * and a digest of its body. Two of them tell whether two versions of a filter did the same.
 */
import { createHash } from "node:crypto";
import type { HeaderMap } from "../../http/header-map.ts";
import type { BodyBuffer } from "../body-buffer.ts";

export class Passed {
  headers: HeaderMap | null = null;
  trailers: HeaderMap | null = null;
  /** The end of the stream has passed. */
  ended = false;
  bodyBytes = 0;
  readonly #digest = createHash("sha256");

  addHeaders(headers: HeaderMap | null, endStream: boolean): void {
    this.headers = headers?.clone() ?? null;
    this.ended = endStream;
  }

  addData(data: BodyBuffer, endStream: boolean): void {
    const { byteLength } = data;
    if (byteLength > 0) this.#digest.update(bytesOf(data));
    this.bodyBytes += byteLength;
    this.ended = endStream;
  }

  addTrailers(trailers: HeaderMap | null): void {
    this.trailers = trailers?.clone() ?? null;
    this.ended = true;
  }

  /** Of the whole body; once. */
  digest(): string {
    return this.#digest.digest("base64");
  }
}

export function bytesOf(data: BodyBuffer): Uint8Array {
  const bytes = new Uint8Array(data.byteLength);
  data.copyTo(0, bytes.byteLength, bytes, 0);
  return bytes;
}

/**
 * The names whose values differ, with a sign: `+` only `b` has it, `-` only `a` has it, `~` both.
 * Values stay untold, for they may be secrets. The order of names does not count.
 */
export function headerDifferences(a: HeaderMap | null, b: HeaderMap | null): string[] {
  const ours = byName(a);
  const theirs = byName(b);
  const found: string[] = [];
  for (const [name, values] of ours) {
    const others = theirs.get(name);
    if (others === undefined) found.push(`-${name}`);
    else if (values.join("\n") !== others.join("\n")) found.push(`~${name}`);
  }
  for (const name of theirs.keys()) if (!ours.has(name)) found.push(`+${name}`);
  return found;
}

function byName(headers: HeaderMap | null): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [name, value] of headers?.entries() ?? []) {
    const values = found.get(name);
    if (values === undefined) found.set(name, [value]);
    else values.push(value);
  }
  return found;
}
