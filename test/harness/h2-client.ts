/** HTTP/2 clients for tests: `node:http2`, and one that writes frames by hand. */
import {
  type ClientHttp2Session,
  type ClientSessionOptions,
  connect,
  type OutgoingHttpHeaders,
  type SecureClientSessionOptions,
} from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { FRAME, frame } from "./h2-upstream.ts";

export interface H2Answer {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
  /** Error code of the stream; 0 when it ended well. */
  readonly code: number;
}

export class H2Client {
  readonly session: ClientHttp2Session;

  constructor(url: string, options: ClientSessionOptions | SecureClientSessionOptions = {}) {
    this.session = connect(url, options);
    this.session.on("error", () => undefined);
  }

  /** Resolves when the session is gone. */
  get closed(): Promise<void> {
    if (this.session.closed && this.session.destroyed) return Promise.resolve();
    return new Promise((resolve) => this.session.once("close", () => resolve()));
  }

  send(
    headers: OutgoingHttpHeaders,
    body: string | null = null,
    trailers: OutgoingHttpHeaders = {},
  ) {
    const fields = { ":authority": "a.example", ...headers };
    const stream = this.session.request(fields, {
      endStream: body === null,
      waitForTrailers: body !== null,
    });
    const answer = new Promise<H2Answer>((resolve) => {
      let status = 0;
      let raw: readonly string[] = [];
      let text = "";
      let tail: readonly string[] = [];
      stream.on("response", (_fields: object, _flags: number, list: string[]) => {
        raw = list;
        status = Number(list[list.indexOf(":status") + 1]);
      });
      stream.on("trailers", (_fields: object, _flags: number, list: string[]) => {
        tail = list;
      });
      stream.on("wantTrailers", () => stream.sendTrailers(trailers));
      stream.on("data", (bytes: Buffer) => {
        text += bytes.toString("latin1");
      });
      stream.on("error", () => undefined);
      stream.on("close", () => {
        const code = stream.rstCode ?? 0;
        resolve({ status, headers: raw, body: text, trailers: tail, code });
      });
    });
    if (body !== null) stream.end(body);
    return { stream, answer };
  }

  ask(
    headers: OutgoingHttpHeaders,
    body: string | null = null,
    trailers: OutgoingHttpHeaders = {},
  ) {
    return this.send(headers, body, trailers).answer;
  }

  close(): void {
    this.session.destroy();
  }
}

/** A client of raw frames: greets, then sends what it is told. */
export class RawH2Client {
  readonly socket: Socket;
  /** Types of the frames that came. */
  readonly frames: { readonly type: number; readonly stream: number; readonly payload: Buffer }[] =
    [];
  readonly closed: Promise<void>;
  #bytes = Buffer.alloc(0);

  constructor(port: number) {
    this.socket = connectTcp({ host: "127.0.0.1", port });
    this.socket.on("error", () => undefined);
    this.closed = new Promise((resolve) => this.socket.once("close", () => resolve()));
    this.socket.on("data", (bytes: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes]);
      while (this.#bytes.length >= 9) {
        const length = this.#bytes.readUIntBE(0, 3);
        if (this.#bytes.length < 9 + length) return;
        const payload = this.#bytes.subarray(9, 9 + length);
        const type = this.#bytes[3] ?? 0;
        this.frames.push({ type, stream: this.#bytes.readUInt32BE(5), payload });
        this.#bytes = this.#bytes.subarray(9 + length);
      }
    });
    this.socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    this.socket.write(frame(FRAME.settings, 0, 0, new Uint8Array(0)));
  }

  /** The error code of the GOAWAY that came, or -1. */
  get goawayCode(): number {
    const found = this.frames.filter(({ type }) => type === FRAME.goaway).at(-1);
    return found === undefined ? -1 : found.payload.readUInt32BE(4);
  }
}

/** HPACK without tables: literal fields, never indexed (RFC 7541 section 6.2.3). */
export function hpack(fields: readonly (readonly [string, string])[]): Buffer {
  const text = (value: string): Buffer =>
    Buffer.concat([Buffer.of(value.length), Buffer.from(value, "latin1")]);
  return Buffer.concat(
    fields.flatMap(([name, value]) => [Buffer.of(0x10), text(name), text(value)]),
  );
}
