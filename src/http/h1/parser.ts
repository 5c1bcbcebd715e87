/**
 * What both directions of the strict HTTP/1 parser share: sections (head, trailers) that may arrive
 * in pieces, and bodies. A head that lies in one buffer is parsed where it is; a split one is
 * gathered in a buffer of its own. One parser per connection.
 * @hot per-request, per-chunk
 */
import { LIMITS } from "../../base/limits.ts";
import { CR, LF } from "./byte-classes.ts";
import { ChunkedDecoder } from "./chunked-decoder.ts";
import { type H1ErrorCode, h1Error } from "./errors.ts";
import { FAILED, giveScanner, type HeadScanner, takeScanner } from "./head-scanner.ts";
import { latin1 } from "./latin1.ts";
import { trailersOf } from "./trailers.ts";
import type { BodyFraming, H1Error, H1Limits, MessageEvents, MessageParser } from "./types.ts";

const HEAD = 0;
const LENGTH = 1;
const CHUNKED = 2;
const CLOSE = 3;
const TRAILERS = 4;
/** Nothing is consumed in the states from here on. */
const DONE = 5;
const DEAD = 6;

const NO_EMPTY_LINE = 0;
const EMPTY_LINE_CR = 1;
const EMPTY_LINE_SEEN = 2;

/** In what the parsers of the two directions differ before the head is known. */
export interface H1Dialect {
  /** Is one empty line before a message passed over? Source: RFC 9112 section 2.2. */
  readonly emptyLine: "tolerated" | "refused";
  /** What a start line over the limit is called. */
  readonly startLineTooLong: H1ErrorCode;
}

export abstract class H1Parser<Head> implements MessageParser {
  protected readonly limits: H1Limits;
  protected readonly events: MessageEvents<Head>;
  /** Content-Length of the head that was emitted last. */
  protected bodyBytes = 0;
  readonly #dialect: H1Dialect;
  #error: H1Error | null = null;
  #state = HEAD;
  #begun = false;
  #emptyLine: number;
  #remaining = 0;
  #chunks: ChunkedDecoder | null = null;
  #scanner: HeadScanner | null = null;
  #held: Uint8Array | null = null;
  #heldLength = 0;
  #startLineEnd = 0;

  constructor(limits: H1Limits, events: MessageEvents<Head>, dialect: H1Dialect) {
    this.limits = limits;
    this.events = events;
    this.#dialect = dialect;
    this.#emptyLine = dialect.emptyLine === "tolerated" ? NO_EMPTY_LINE : EMPTY_LINE_SEEN;
  }

  get error(): H1Error | null {
    return this.#error;
  }

  get midMessage(): boolean {
    return this.#begun && this.#state < DONE;
  }

  /** Bytes that will come next and are body for certain. */
  get bodyLeft(): number {
    if (this.#state === LENGTH) return this.#remaining;
    if (this.#state === CHUNKED) return this.#chunks?.remaining ?? 0;
    return this.#state === CLOSE ? Number.POSITIVE_INFINITY : 0;
  }

  /**
   * Checks the start line at `base`.
   * @returns the offset behind it, INCOMPLETE, or FAILED after `fault` was called
   */
  protected abstract scanStartLine(bytes: Uint8Array, base: number, end: number): number;

  /**
   * Builds the head from `text` and the scanner's marks, and hands it to `events`.
   * @returns the framing of the body, `head` when another head follows, or null after `fault`
   */
  protected abstract emitHead(
    scanner: HeadScanner,
    bytes: Uint8Array,
    base: number,
    text: string,
  ): BodyFraming | "head" | null;

  /** Records why the message is refused. */
  protected fault(code: H1ErrorCode): typeof FAILED {
    this.#error = h1Error(code);
    this.#state = DEAD;
    this.#dropSection();
    return FAILED;
  }

  execute(buffer: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end && this.#state < DONE && at >= 0) at = this.#step(buffer, at, end);
    return this.#state === DEAD ? -1 : at;
  }

  startMessage(): void {
    if (this.#state === DEAD) return;
    this.#state = HEAD;
    this.#begun = false;
    this.#emptyLine = this.#dialect.emptyLine === "tolerated" ? NO_EMPTY_LINE : EMPTY_LINE_SEEN;
  }

  finish(): boolean {
    if (this.#state === CLOSE) {
      this.#end();
      return true;
    }
    if (this.midMessage) this.fault("cutShort");
    return this.#state !== DEAD;
  }

  #step(buffer: Uint8Array, at: number, end: number): number {
    switch (this.#state) {
      case HEAD:
        return this.#begun ? this.#section(buffer, at, end) : this.#begin(buffer, at, end);
      case LENGTH:
        return this.#lengthBody(at, end);
      case CHUNKED:
        return this.#chunkedBody(buffer, at, end);
      case TRAILERS:
        return this.#section(buffer, at, end);
      default:
        this.events.onBody(at, end);
        return end;
    }
  }

  /** The first byte of a message, or of the one empty line before it. */
  #begin(buffer: Uint8Array, at: number, end: number): number {
    if (this.#emptyLine === EMPTY_LINE_CR) {
      if (buffer[at] !== LF) return this.fault("lineEndInvalid");
      this.#emptyLine = EMPTY_LINE_SEEN;
      return at + 1;
    }
    if (buffer[at] === CR && this.#emptyLine === NO_EMPTY_LINE) {
      this.#emptyLine = EMPTY_LINE_CR;
      return at + 1;
    }
    this.#begun = true;
    return this.#section(buffer, at, end);
  }

  #section(buffer: Uint8Array, at: number, end: number): number {
    if (this.#held !== null) return this.#sectionInPieces(buffer, at, end);
    const scanner = this.#scanner ?? takeScanner();
    this.#scanner = scanner;
    const bytesMax = this.#sectionBytesMax();
    const limit = Math.min(end, at + bytesMax);
    const stop = this.#scan(scanner, buffer, at, limit);
    if (stop >= 0) return this.#sectionComplete(buffer, at, stop) ? stop : FAILED;
    if (stop === FAILED) return FAILED;
    if (limit - at === bytesMax) return this.#tooLarge();
    this.#hold(buffer, at, end, bytesMax);
    return end;
  }

  #sectionInPieces(buffer: Uint8Array, at: number, end: number): number {
    const before = this.#heldLength;
    const bytesMax = this.#sectionBytesMax();
    const stored = Math.min(end, at + bytesMax - before);
    const held = this.#hold(buffer, at, stored, bytesMax);
    const length = this.#heldLength;
    // A line that is still open stays unscanned: dripping bytes must not cost a scan each.
    if (length < bytesMax && !hasLineEnd(held, before, length)) return stored;
    const stop = this.#scan(this.#scanner as HeadScanner, held, 0, length);
    if (stop >= 0) return this.#sectionComplete(held, 0, stop) ? at + stop - before : FAILED;
    if (stop === FAILED) return FAILED;
    return length === bytesMax ? this.#tooLarge() : stored;
  }

  #sectionBytesMax(): number {
    return this.#state === HEAD ? this.limits.headBytesMax : LIMITS.trailersBytes;
  }

  #scan(scanner: HeadScanner, bytes: Uint8Array, base: number, end: number): number {
    if (this.#state === HEAD && scanner.lineAt === 0) {
      const lineEnd = this.scanStartLine(bytes, base, end);
      if (lineEnd < 0) return lineEnd;
      scanner.lineAt = lineEnd - base;
    }
    this.#startLineEnd = scanner.lineAt;
    const stop = scanner.scan(bytes, base, end, this.limits.headersCountMax);
    if (stop !== FAILED) return stop;
    const fault = scanner.fault as H1ErrorCode;
    if (fault === "headersTooMany" && this.#state === TRAILERS)
      return this.fault("trailersTooMany");
    return this.fault(fault);
  }

  #tooLarge(): number {
    if (this.#state === TRAILERS) return this.fault("trailersTooLarge");
    const inStartLine = this.#startLineEnd === 0;
    return this.fault(inStartLine ? this.#dialect.startLineTooLong : "headersTooLarge");
  }

  #hold(buffer: Uint8Array, at: number, end: number, bytesMax: number): Uint8Array {
    const length = this.#heldLength + end - at;
    let held = this.#held;
    if (held === null || held.length < length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(bytesMax, Math.max(1024, length * 2)));
      if (held !== null) grown.set(held.subarray(0, this.#heldLength));
      held = grown;
      this.#held = held;
    }
    held.set(buffer.subarray(at, end), this.#heldLength);
    this.#heldLength = length;
    return held;
  }

  #dropSection(): void {
    if (this.#scanner !== null) giveScanner(this.#scanner);
    this.#scanner = null;
    this.#held = null;
    this.#heldLength = 0;
    this.#startLineEnd = 0;
  }

  #sectionComplete(bytes: Uint8Array, base: number, stop: number): boolean {
    const scanner = this.#scanner as HeadScanner;
    if (this.#state === TRAILERS) {
      const trailers = scanner.count === 0 ? null : trailersOf(scanner, bytes, base, stop);
      this.#dropSection();
      if (trailers !== null && trailers.count > 0) this.events.onTrailers(trailers);
      this.#end();
      return true;
    }
    const framing = this.emitHead(scanner, bytes, base, latin1(bytes, base, stop));
    if (framing === null) return false;
    this.#dropSection();
    this.#beginBody(framing);
    return true;
  }

  #beginBody(framing: BodyFraming | "head"): void {
    switch (framing) {
      case "head":
        return;
      case "length":
        this.#remaining = this.bodyBytes;
        if (this.#remaining === 0) this.#end();
        else this.#state = LENGTH;
        return;
      case "chunked":
        this.#chunks ??= new ChunkedDecoder();
        this.#chunks.reset();
        this.#state = CHUNKED;
        return;
      case "close":
        this.#state = CLOSE;
        return;
      default:
        this.#end();
    }
  }

  #lengthBody(at: number, end: number): number {
    const stop = Math.min(end, at + this.#remaining);
    this.#remaining -= stop - at;
    this.events.onBody(at, stop);
    if (this.#remaining === 0) this.#end();
    return stop;
  }

  #chunkedBody(buffer: Uint8Array, at: number, end: number): number {
    const chunks = this.#chunks as ChunkedDecoder;
    if (chunks.remaining > 0) {
      const stop = Math.min(end, at + chunks.remaining);
      chunks.take(stop - at);
      this.events.onBody(at, stop);
      return stop;
    }
    const next = chunks.next(buffer, at, end);
    if (next < 0) return this.fault(chunks.fault as H1ErrorCode);
    if (chunks.atTrailers) this.#state = TRAILERS;
    return next;
  }

  #end(): void {
    this.#state = DONE;
    this.#begun = false;
    this.events.onMessageEnd();
  }
}

/** Does `[start, end)` end a line, or hold a CR (the byte before included) that does not? */
function hasLineEnd(bytes: Uint8Array, start: number, end: number): boolean {
  if (start > 0 && bytes[start - 1] === CR) return true;
  for (let at = start; at < end; at++) {
    if (bytes[at] === LF || (bytes[at] === CR && at + 1 < end)) return true;
  }
  return false;
}
