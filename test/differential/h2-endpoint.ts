/** Ends of HTTP/2 connections that keep every message they got, as {@link Peer}. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type Http2Stream,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import type { StreamPart } from "./case.ts";
import type { Changes, Peer } from "./endpoint.ts";
import { isInterim, type Message } from "./messages.ts";
import type { Pairs } from "./program.ts";

function headersOf(pairs: Pairs): OutgoingHttpHeaders {
  const headers: Record<string, string[]> = {};
  for (const [name, value] of pairs) headers[name] = [...(headers[name] ?? []), value];
  return Object.fromEntries(
    Object.entries(headers).map(([name, values]) => [name, values.length > 1 ? values : values[0]]),
  );
}

/** "name: value" of each field; the control data is the first line, as of an HTTP/1 message. */
function headOf(raw: readonly string[]): readonly string[] {
  const fields = raw.flatMap((name, at) => (at % 2 === 0 ? [[name, raw[at + 1] ?? ""]] : []));
  const fieldOf = (wanted: string): string =>
    fields.find(([name]) => name === wanted)?.[1] ?? "(none)";
  const isResponse = fields.some(([name]) => name === ":status");
  const first = isResponse
    ? `HTTP/2 ${fieldOf(":status")}`
    : `${fieldOf(":method")} ${fieldOf(":path")} HTTP/2`;
  const rest = fields.filter(([name = ""]) => ![":status", ":method", ":path"].includes(name));
  return [first, ...rest.map(([name, value]) => `${name}: ${value}`)];
}

const linesOf = (raw: readonly string[]): readonly string[] => {
  const lines: string[] = [];
  for (let at = 0; at < raw.length; at += 2) lines.push(`${raw[at]}: ${raw[at + 1]}`);
  return lines;
};

/** What one stream brought. */
class Incoming {
  readonly interim: Message[] = [];
  head: readonly string[] | null = null;
  body = "";
  trailers: readonly string[] = [];
  isComplete = false;
  isClosed = false;
  /** The other side's RST_STREAM. */
  reset: number | null = null;
  #resetByUs = false;
  #trailersToSend: OutgoingHttpHeaders = {};
  readonly stream: Http2Stream;

  constructor(stream: Http2Stream, changes: Changes) {
    this.stream = stream;
    stream.setEncoding("latin1");
    stream.on("data", (text: string) => {
      this.body += text;
      changes.wake();
    });
    stream.on("trailers", (_fields: object, _flags: number, raw: string[]) => {
      this.trailers = linesOf(raw);
    });
    stream.on("end", () => {
      this.isComplete = (stream.rstCode ?? 0) === 0;
      changes.wake();
    });
    stream.on("wantTrailers", () => {
      // They would end a stream well that is being reset.
      if (!this.#resetByUs) stream.sendTrailers(this.#trailersToSend);
    });
    stream.on("error", () => undefined);
    stream.on("close", () => {
      this.isClosed = true;
      const code = stream.rstCode ?? 0;
      if (code !== 0 && !this.#resetByUs) this.reset = code;
      changes.wake();
    });
  }

  send(part: StreamPart): void {
    const { stream } = this;
    if (part.data !== undefined) stream.write(part.data, "latin1");
    if (part.trailers !== undefined) this.#trailersToSend = headersOf(part.trailers);
    if (part.trailers !== undefined || part.end === true) stream.end();
    if (part.reset === undefined) return;
    this.#resetByUs = true;
    const code = part.reset;
    // What was written before leaves first: newer Nodes would drop it, or end the stream well.
    setImmediate(() => stream.close(code));
  }

  get messages(): readonly Message[] {
    const { head, body, trailers, isComplete, reset } = this;
    if (head === null && reset === null) return this.interim;
    const end = reset === null ? {} : { reset };
    const message = { head: head ?? [], body, trailers, isComplete, ...end };
    return [...this.interim, message];
  }
}

abstract class H2Peer implements Peer {
  readonly methods: string[] = [];
  readonly #session: ClientHttp2Session | ServerHttp2Session;
  protected readonly changes: Changes;
  protected readonly streams: Incoming[] = [];
  #isClosed = false;

  constructor(session: ClientHttp2Session | ServerHttp2Session, changes: Changes) {
    this.#session = session;
    this.changes = changes;
    const end = (): void => {
      this.#isClosed = true;
      changes.wake();
    };
    session.on("error", end).on("close", end).on("goaway", changes.wake);
  }

  abstract sendPart(part: StreamPart): void;

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get messages(): readonly Message[] {
    return this.streams.flatMap((stream) => stream.messages);
  }

  get finals(): readonly Message[] {
    return this.messages.filter((message) => !isInterim(message));
  }

  get isStreamOver(): boolean {
    return this.streams.at(-1)?.isClosed ?? false;
  }

  send(): void {
    throw new Error("an HTTP/2 connection takes no text");
  }

  end(): void {
    this.#session.close();
  }

  destroy(): void {
    this.#session.destroy();
  }

  reset(): void {
    this.#session.destroy();
  }
}

export class H2Client extends H2Peer {
  readonly #client: ClientHttp2Session;

  /** Speaks HTTP/2 on `socket`, which is connected. */
  constructor(socket: Socket, changes: Changes) {
    const client = connect("http://case.test", { createConnection: () => socket });
    super(client, changes);
    this.#client = client;
  }

  sendPart(part: StreamPart): void {
    if (part.head === undefined) {
      this.streams.at(-1)?.send(part);
      return;
    }
    const isWhole = part.end === true && part.data === undefined;
    const stream: ClientHttp2Stream = this.#client.request(headersOf(part.head), {
      endStream: isWhole,
      waitForTrailers: !isWhole,
    });
    const incoming = new Incoming(stream, this.changes);
    this.streams.push(incoming);
    stream.on("headers", (_fields: object, _flags: number, raw: string[]) => {
      incoming.interim.push({ head: headOf(raw), body: "", trailers: [], isComplete: true });
      this.changes.wake();
    });
    stream.on("response", (_fields: object, _flags: number, raw: string[]) => {
      incoming.head = headOf(raw);
      this.changes.wake();
    });
    if (!isWhole) incoming.send(part);
  }
}

export class H2UpstreamPeer extends H2Peer {
  constructor(session: ServerHttp2Session, changes: Changes) {
    super(session, changes);
    const onStream = (
      stream: ServerHttp2Stream,
      _fields: object,
      _flags: number,
      raw: readonly string[],
    ): void => {
      const incoming = new Incoming(stream, changes);
      incoming.head = headOf(raw);
      this.streams.push(incoming);
      changes.wake();
    };
    session.on("stream", onStream);
  }

  sendPart(part: StreamPart): void {
    const incoming = this.streams.at(-1);
    if (incoming === undefined) return;
    if (part.head !== undefined) {
      const isWhole = part.end === true && part.data === undefined;
      const stream = incoming.stream as ServerHttp2Stream;
      stream.respond(headersOf(part.head), { endStream: isWhole, waitForTrailers: !isWhole });
      if (isWhole) return;
    }
    incoming.send(part);
  }
}
