/**
 * The admin listener: node:http on main, because admin is off the hot way. Reads a request with
 * bounds, dispatches it by the table of routes, writes the answer with Envoy's admin headers.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { systemClock } from "../base/clock.ts";
import { Logger } from "../base/log.ts";
import type { SocketAddress } from "../config/types.ts";
import { dispatch } from "./routes.ts";
import { type AdminRequest, type AdminResponse, type AdminSource, text } from "./types.ts";

/** Request line and headers: longer is answered 431. */
const HEAD_BYTES_MAX = 16_384;
/** A form of the home page; longer is answered 413. */
const BODY_BYTES_MAX = 65_536;

const log = new Logger("admin");

/** One answered request, for the access log. */
export interface AdminAccess {
  readonly method: string;
  /** Path and query as they came. */
  readonly target: string;
  readonly status: number;
  readonly bodyBytes: number;
  readonly durationMs: number;
  readonly peerAddress: string;
}

export interface AdminServerOptions {
  readonly address: SocketAddress;
  readonly source: AdminSource;
  /** Called once per answered request; null: nothing is logged. */
  readonly accessLog: ((access: AdminAccess) => void) | null;
}

export interface AdminServer {
  /** Resolves to the port that is bound; rejects with the error of listen(2). */
  listen(): Promise<number>;
  /** Closes the listener and every connection. */
  close(): Promise<void>;
}

/** An admin server that does not listen yet. Thread: main. */
export function createAdminServer(options: AdminServerOptions): AdminServer {
  const server = createServer({ maxHeaderSize: HEAD_BYTES_MAX }, (incoming, outgoing) => {
    void serve(incoming, outgoing, options);
  });
  return {
    listen: () => listen(server, options.address),
    close: () => close(server),
  };
}

function listen(server: Server, { host, port }: SocketAddress): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      server.on("error", (error) => log.error(`admin listener: ${error.message}`));
      const bound = server.address();
      resolve(typeof bound === "object" && bound !== null ? bound.port : port);
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

async function serve(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  options: AdminServerOptions,
): Promise<void> {
  const startMs = systemClock.monotonicMs();
  const response = await answer(incoming, options.source);
  const body = Buffer.from(response.body);
  const access: AdminAccess = {
    method: incoming.method ?? "",
    target: incoming.url ?? "",
    status: response.status,
    bodyBytes: body.byteLength,
    durationMs: systemClock.monotonicMs() - startMs,
    peerAddress: incoming.socket.remoteAddress ?? "",
  };
  // "close" comes after the answer has left, and also when the client went away before.
  outgoing.once("close", () => {
    options.accessLog?.(access);
    response.afterwards?.();
  });
  outgoing.writeHead(response.status, {
    "content-type": response.contentType,
    "cache-control": "no-cache, max-age=0",
    "x-content-type-options": "nosniff",
    server: "granary",
    "content-length": body.byteLength,
    // What is left of a body that was too long must not be taken for the next request.
    ...(response.status === 413 ? { connection: "close" } : {}),
  });
  outgoing.end(body);
}

async function answer(incoming: IncomingMessage, source: AdminSource): Promise<AdminResponse> {
  try {
    const body = await readBody(incoming);
    if (body === null) return text("Payload Too Large", 413);
    return await dispatch(parseRequest(incoming, body), source);
  } catch (error) {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    log.error(`${incoming.method} ${incoming.url}: ${reason}`);
    return text("Internal Server Error", 500);
  }
}

/** @returns null when the body is longer than BODY_BYTES_MAX */
async function readBody(incoming: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let byteLength = 0;
  for await (const chunk of incoming.iterator({ destroyOnReturn: false })) {
    const bytes = Buffer.from(chunk);
    byteLength += bytes.byteLength;
    if (byteLength > BODY_BYTES_MAX) return null;
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseRequest(incoming: IncomingMessage, body: string): AdminRequest {
  const target = incoming.url ?? "/";
  const question = target.indexOf("?");
  const path = question < 0 ? target : target.slice(0, question);
  const isForm = (incoming.headers["content-type"] ?? "").startsWith(
    "application/x-www-form-urlencoded",
  );
  const query = question < 0 ? (isForm ? body : "") : target.slice(question + 1);
  return { method: incoming.method ?? "", path: decode(path), query: parseQuery(query) };
}

/** Unlike in URLSearchParams' own parser a plus stays a plus, as in Envoy: filters need it. */
function parseQuery(query: string): URLSearchParams {
  const parameters = new URLSearchParams();
  for (const pair of query.split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const name = equals < 0 ? pair : pair.slice(0, equals);
    parameters.append(decode(name), equals < 0 ? "" : decode(pair.slice(equals + 1)));
  }
  return parameters;
}

/** Text with a broken escape stays as it is. */
function decode(raw: string): string {
  try {
    return decodeURIComponent(raw);
  } catch {
    return raw;
  }
}
