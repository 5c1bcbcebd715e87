/**
 * Turns scanned header lines into a header map and collects on the way what framing and connection
 * handling need, so that no header is looked up again.
 * @hot per-request
 */
import type { HeaderMap } from "../header-map.ts";
import type { H1ErrorCode } from "./errors.ts";
import type { HeadScanner } from "./head-scanner.ts";
import { KNOWN_NAMES, knownNameId, NAME_ID } from "./header-names.ts";

/** Wished-for state of `connection`: bits of {@link FieldFacts.connection}. */
export const CONNECTION_CLOSE = 1;
export const CONNECTION_KEEP_ALIVE = 2;
export const CONNECTION_UPGRADE = 4;

/** What the fields of one head say. One object per thread, filled by {@link collectFields}. */
export class FieldFacts {
  contentLength: string | null = null;
  transferEncoding: string | null = null;
  connection = 0;
  upgrade: string | null = null;
  expect: string | null = null;
  hostCount = 0;
  /** Range of the host's value in the bytes, counted from the head's start. */
  hostAt = 0;
  hostEnd = 0;
  /** A second content-length was seen. */
  lengthRepeated = false;

  clear(): void {
    this.contentLength = null;
    this.transferEncoding = null;
    this.connection = 0;
    this.upgrade = null;
    this.expect = null;
    this.hostCount = 0;
    this.lengthRepeated = false;
  }
}

/**
 * Appends every field except `host` (which requests carry as `:authority`; responses keep it) and
 * fills `facts`.
 * @param text the head as latin1, marks count from its start
 * @param base offset of the head in `bytes`
 */
export function collectFields(
  scanner: HeadScanner,
  bytes: Uint8Array,
  base: number,
  sink: FieldSink,
): void {
  const { marks, count } = scanner;
  const { text, headers, facts } = sink;
  for (let i = 0, m = 0; i < count; i++, m += 4) {
    const nameAt = marks[m] as number;
    const nameEnd = marks[m + 1] as number;
    const valueAt = marks[m + 2] as number;
    const valueEnd = marks[m + 3] as number;
    const id = knownNameId(bytes, base + nameAt, nameEnd - nameAt);
    const value = text.substring(valueAt, valueEnd);
    if (id === NAME_ID.host && sink.hostAside) {
      facts.hostCount++;
      facts.hostAt = valueAt;
      facts.hostEnd = valueEnd;
      continue;
    }
    noteField(facts, id, value);
    headers.append(
      id === NAME_ID.unknown ? text.substring(nameAt, nameEnd) : (KNOWN_NAMES[id] as string),
      value,
    );
  }
}

/** Where {@link collectFields} puts what it finds. One object per thread. */
export interface FieldSink {
  text: string;
  headers: HeaderMap;
  readonly facts: FieldFacts;
  /** Keep `host` out of the map. */
  hostAside: boolean;
}

/** Notes one field by the id of its name: for heads that something else has parsed. */
export function noteField(facts: FieldFacts, id: number, value: string): void {
  if (id !== NAME_ID.unknown && id <= NAME_ID.last) note(facts, id, value);
}

function note(facts: FieldFacts, id: number, value: string): void {
  switch (id) {
    case NAME_ID.contentLength:
      if (facts.contentLength !== null) facts.lengthRepeated = true;
      facts.contentLength = value;
      return;
    case NAME_ID.transferEncoding:
      facts.transferEncoding = joined(facts.transferEncoding, value);
      return;
    case NAME_ID.connection:
      facts.connection |= connectionBits(value);
      return;
    case NAME_ID.upgrade:
      facts.upgrade = joined(facts.upgrade, value);
      return;
    case NAME_ID.expect:
      facts.expect = joined(facts.expect, value);
      return;
    default:
  }
}

function joined(before: string | null, value: string): string {
  return before === null ? value : before + "," + value;
}

function connectionBits(value: string): number {
  if (value === "keep-alive" || value === "Keep-Alive") return CONNECTION_KEEP_ALIVE;
  if (value === "close") return CONNECTION_CLOSE;
  let bits = 0;
  for (let at = 0; at <= value.length; ) {
    const comma = value.indexOf(",", at);
    const end = comma < 0 ? value.length : comma;
    bits |= connectionBit(value.substring(at, end).trim().toLowerCase());
    at = end + 1;
  }
  return bits;
}

function connectionBit(option: string): number {
  if (option === "close") return CONNECTION_CLOSE;
  if (option === "keep-alive") return CONNECTION_KEEP_ALIVE;
  return option === "upgrade" ? CONNECTION_UPGRADE : 0;
}

/**
 * The protocol that a request wants to change to, or null. A wish for h2c is passed over, as in
 * Envoy: clients that send it with each first request go on in HTTP/1.1.
 */
export function upgradeOf({ connection, upgrade }: FieldFacts): string | null {
  if (upgrade === null || (connection & CONNECTION_UPGRADE) === 0) return null;
  return upgrade.toLowerCase() === "h2c" ? null : upgrade;
}

/** Does the connection outlive the message? Source: RFC 9112 section 9.3. */
export function isPersistent(version: number, connection: number): boolean {
  if ((connection & CONNECTION_CLOSE) !== 0) return false;
  return version === 11 || (connection & CONNECTION_KEEP_ALIVE) !== 0;
}

/** Content-Length as a number; -1 unless it is 1*DIGIT below 2^53. Source: RFC 9110 section 8.6. */
export function parseContentLength(value: string): number {
  if (value.length === 0 || value.length > 16) return -1;
  let length = 0;
  for (let i = 0; i < value.length; i++) {
    const digit = value.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length <= Number.MAX_SAFE_INTEGER ? length : -1;
}

/** Why the message's framing must be refused, or null. Source: RFC 9112 sections 6.1 to 6.3. */
export function framingFault(facts: FieldFacts, version: number): H1ErrorCode | null {
  const coding = facts.transferEncoding;
  if (coding !== null) {
    if (facts.contentLength !== null) return "contentLengthWithTransferEncoding";
    if (version !== 11) return "transferEncodingIn10";
    if (coding !== "chunked" && coding.toLowerCase() !== "chunked") return codingFault(coding);
  }
  if (facts.lengthRepeated) return "contentLengthRepeated";
  return null;
}

/**
 * A list that ends in exactly one "chunked" is a coding we lack (501); any other has no
 * recognisable end (400). Source: RFC 9112 sections 6.1 and 6.3.
 */
function codingFault(coding: string): H1ErrorCode {
  const codings = coding.toLowerCase().split(",");
  const last = codings.length - 1;
  const chunkedAt = codings.findIndex((name) => name.trim() === "chunked");
  const wellFormed = codings.every((name) => name.trim().length > 0);
  return last > 0 && wellFormed && chunkedAt === last
    ? "transferEncodingUnsupported"
    : "transferEncodingInvalid";
}
