/**
 * HTTP/2 upstreams: `node:http2` over TCP (prior knowledge) or TLS (ALPN), and one of raw frames for
 * what a sane server would not send.
 */
import {
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from "node:http2";
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from "node:net";
import type { TlsOptions } from "node:tls";

export interface H2Request {
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
  readonly stream: ServerHttp2Stream;
}

export interface H2UpstreamOptions {
  readonly tls?: TlsOptions;
  readonly server?: ServerOptions;
  /** Called when a request is whole. */
  readonly onRequest?: (request: H2Request) => void;
  /** Called when a request's head is there. */
  readonly onStream?: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;
}

export class H2Upstream {
  readonly sessions: ServerHttp2Session[] = [];
  readonly requests: H2Request[] = [];
  readonly #server: Http2Server;

  private constructor(options: H2UpstreamOptions) {
    const server =
      options.tls === undefined
        ? createServer(options.server ?? {})
        : createSecureServer({ ...options.server, ...options.tls });
    this.#server = server as Http2Server;
    server.on("session", (session: ServerHttp2Session) => {
      this.sessions.push(session);
      session.on("error", () => undefined);
    });
    server.on("sessionError", () => undefined);
    const onStream = (
      stream: ServerHttp2Stream,
      headers: IncomingHttpHeaders,
      _flags: number,
      raw: string[],
    ): void => {
      stream.on("error", () => undefined);
      options.onStream?.(stream, headers);
      let body = "";
      let trailers: readonly string[] = [];
      stream.setEncoding("latin1");
      stream.on("data", (text: string) => {
        body += text;
      });
      stream.on("trailers", (_fields: object, _flags: number, fields: string[]) => {
        trailers = fields;
      });
      stream.on("end", () => {
        if (stream.aborted) return;
        const request = { headers, rawHeaders: raw, body, trailers, stream };
        this.requests.push(request);
        options.onRequest?.(request);
      });
    };
    server.on("stream", onStream);
  }

  static async listen(options: H2UpstreamOptions = {}): Promise<H2Upstream> {
    const upstream = new H2Upstream(options);
    await new Promise<void>((resolve) => upstream.#server.listen(0, "127.0.0.1", resolve));
    return upstream;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const session of this.sessions) session.destroy();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }
}

/** One frame (RFC 9113 section 4.1). */
export function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.byteLength, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7 } as const;
export const FLAG = { endStream: 1, endHeaders: 4 } as const;
/** `:status: 200` of the static table (RFC 7541 appendix A). */
export const STATUS_200 = Uint8Array.of(0x88);

/** Speaks frames by hand: greets with SETTINGS, then answers the first request with `answer`. */
export async function rawH2Upstream(
  answer: (socket: Socket, stream: number) => void,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server: Server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.write(frame(FRAME.settings, 0, 0, new Uint8Array(0)));
    let bytes = Buffer.alloc(0);
    let skipped = false;
    socket.on("data", (more: Buffer) => {
      bytes = Buffer.concat([bytes, more]);
      // The client's preface is 24 bytes.
      if (!skipped && bytes.length >= 24) {
        skipped = true;
        bytes = bytes.subarray(24);
      }
      while (skipped && bytes.length >= 9 && bytes.length >= 9 + bytes.readUIntBE(0, 3)) {
        const stream = bytes.readUInt32BE(5);
        if (bytes[3] === FRAME.headers) answer(socket, stream);
        bytes = bytes.subarray(9 + bytes.readUIntBE(0, 3));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}
