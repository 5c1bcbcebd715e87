/**
 * Runs a parser over bytes cut into pieces and writes down what it says, one line per event; body
 * bytes that follow one another are one line, so that cuts do not show.
 */
import type {
  MessageEvents,
  MessageParser,
  RequestHead,
  ResponseHead,
} from "../../src/http/h1/types.ts";
import type { HeaderMap } from "../../src/http/header-map.ts";

type AnyHead = RequestHead | ResponseHead;

export class EventLog<Head extends AnyHead> implements MessageEvents<Head> {
  readonly heads: Head[] = [];
  readonly trailers: HeaderMap[] = [];
  lines: string[] = [];
  buffer: Uint8Array = new Uint8Array(0);
  ends = 0;

  onHead(head: Head): void {
    this.heads.push(head);
    const { headers, ...facts } = head;
    this.lines.push(`head ${JSON.stringify(facts)} ${JSON.stringify(headers.entries())}`);
  }

  onBody(start: number, end: number): void {
    const text = Buffer.from(this.buffer.subarray(start, end)).toString("latin1");
    const last = this.lines.length - 1;
    if (this.lines[last]?.startsWith("body ")) this.lines[last] += text;
    else this.lines.push(`body ${text}`);
  }

  onTrailers(trailers: HeaderMap): void {
    this.trailers.push(trailers);
    this.lines.push(`trailers ${JSON.stringify(trailers.entries())}`);
  }

  onMessageEnd(): void {
    this.ends++;
    this.lines.push("end");
  }

  get body(): string {
    return this.lines
      .filter((line) => line.startsWith("body "))
      .map((line) => line.substring(5))
      .join("");
  }
}

/**
 * Feeds `text` (latin1) to `parser` in pieces that end at `cuts` (ascending offsets), message after
 * message, and appends the error, if there is one, to the log's lines.
 */
export function feed(
  parser: MessageParser,
  log: EventLog<RequestHead> | EventLog<ResponseHead>,
  text: string,
  cuts: readonly number[] = [],
): void {
  const bytes = Buffer.from(text, "latin1");
  let from = 0;
  for (const to of [...cuts, bytes.length]) {
    // A copy with a margin: bytes outside of the piece must not matter.
    const piece = Buffer.alloc(to - from + 8, "\r\n");
    bytes.copy(piece, 4, from, to);
    log.buffer = piece;
    let at = 4;
    const end = 4 + to - from;
    while (at < end) {
      const ends = log.ends;
      const next = parser.execute(piece, at, end);
      if (next < 0) {
        log.lines.push(`error ${parser.error?.code} ${parser.error?.status}`);
        return;
      }
      if (log.ends > ends) parser.startMessage();
      else if (next < end) throw new Error("the parser stopped inside of a message");
      at = next;
    }
    from = to;
  }
}
