/**
 * Reads requests from raw bytes for fake upstreams. Deliberately simple and independent of the
 * parser under test: it believes the framing it is told and keeps everything as latin1 text.
 */

export interface RawRequest {
  readonly method: string;
  readonly target: string;
  /** Names lower-case, in the order of the wire. */
  readonly headers: readonly (readonly [string, string])[];
  /** The head as it came, with its empty line. */
  readonly head: string;
  /** Decoded body as latin1; cut at `bodyKeptMax`. */
  readonly body: string;
  /** Bytes of the decoded body. */
  readonly bodyBytes: number;
  readonly trailers: readonly (readonly [string, string])[];
}

/** The first value of a header, or null. */
export function headerOf(request: RawRequest, name: string): string | null {
  return request.headers.find(([key]) => key === name)?.[1] ?? null;
}

export interface RawRequestEvents {
  /** A head is there; `body` is empty. */
  onHead(request: RawRequest): void;
  onRequest(request: RawRequest): void;
}

const BODY_KEPT_MAX = 1_048_576;

type Step = "head" | "length" | "chunkSize" | "chunk" | "trailers";

export class RawRequestReader {
  readonly #events: RawRequestEvents;
  #buffer = "";
  #step: Step = "head";
  #left = 0;
  #request: RawRequest | null = null;
  #body = "";
  #bodyBytes = 0;

  constructor(events: RawRequestEvents) {
    this.#events = events;
  }

  push(text: string): void {
    this.#buffer += text;
    while (this.#advance());
  }

  /** Takes one step; false when more bytes are needed. */
  #advance(): boolean {
    switch (this.#step) {
      case "head":
        return this.#readHead();
      case "length":
        return this.#readBody(() => this.#finish([]));
      case "chunkSize":
        return this.#readChunkSize();
      case "chunk":
        return this.#readBody(() => {
          this.#step = "chunkSize";
        });
      case "trailers":
        return this.#readTrailers();
    }
  }

  #readHead(): boolean {
    const head = this.#take("\r\n\r\n");
    if (head === null) return false;
    const lines = head.split("\r\n").filter((line) => line !== "");
    const [method = "", target = ""] = (lines[0] ?? "").split(" ");
    const headers = lines.slice(1).map(fieldOf);
    const request = { method, target, headers, head, body: "", bodyBytes: 0, trailers: [] };
    this.#request = request;
    this.#body = "";
    this.#bodyBytes = 0;
    this.#events.onHead(request);
    if (headerOf(request, "transfer-encoding") !== null) {
      this.#step = "chunkSize";
      return true;
    }
    this.#left = Number(headerOf(request, "content-length") ?? "0");
    this.#step = "length";
    return true;
  }

  #readBody(done: () => void): boolean {
    const part = this.#buffer.slice(0, this.#left);
    if (part === "" && this.#left > 0) return false;
    this.#buffer = this.#buffer.slice(part.length);
    this.#left -= part.length;
    this.#bodyBytes += part.length;
    if (this.#body.length < BODY_KEPT_MAX) this.#body += part;
    if (this.#left === 0) done();
    return true;
  }

  #readChunkSize(): boolean {
    const line = this.#take("\r\n");
    if (line === null) return false;
    // The line end behind the chunk before.
    if (line === "\r\n") return true;
    this.#left = Number.parseInt(line, 16);
    this.#step = this.#left === 0 ? "trailers" : "chunk";
    return true;
  }

  #readTrailers(): boolean {
    if (this.#buffer.startsWith("\r\n")) {
      this.#buffer = this.#buffer.slice(2);
      this.#finish([]);
      return true;
    }
    const section = this.#take("\r\n\r\n");
    if (section === null) return false;
    this.#finish(
      section
        .split("\r\n")
        .filter((line) => line !== "")
        .map(fieldOf),
    );
    return true;
  }

  #finish(trailers: readonly (readonly [string, string])[]): void {
    const request = this.#request;
    this.#step = "head";
    this.#request = null;
    if (request === null) return;
    const { body, bodyBytes } = { body: this.#body, bodyBytes: this.#bodyBytes };
    this.#events.onRequest({ ...request, body, bodyBytes, trailers });
  }

  /** Text up to and with `end`, or null. */
  #take(end: string): string | null {
    const at = this.#buffer.indexOf(end);
    if (at < 0) return null;
    const text = this.#buffer.slice(0, at + end.length);
    this.#buffer = this.#buffer.slice(at + end.length);
    return text;
  }
}

function fieldOf(line: string): readonly [string, string] {
  const colon = line.indexOf(":");
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}
