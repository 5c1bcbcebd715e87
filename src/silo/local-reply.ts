/**
 * Replies that Granary makes itself: by an error of its own, a direct response, or a filter. gRPC
 * requests get a trailers-only answer, as in Envoy.
 */
import { PROXY_ERRORS, type ProxyErrorCode } from "../base/errors.ts";
import { HeaderMap } from "../http/header-map.ts";
import { statusText } from "../http/status-text.ts";
import { statusOfHttp } from "./callouts/grpc-status.ts";

export interface LocalReplyParts {
  readonly status: number;
  readonly body: Uint8Array;
  readonly headers: readonly (readonly [string, string])[];
  readonly details: string;
  readonly flag: string;
  /** -1 = derived from the HTTP status. */
  readonly grpcStatus: number;
}

const EMPTY = new Uint8Array(0);
const NOTHING_MORE = { headers: [], grpcStatus: -1 } as const;

/** The reply to a message that filters left without the pseudo-header `name`. */
export function missingHeaderReply(side: "request" | "response", name: string): LocalReplyParts {
  return {
    ...NOTHING_MORE,
    status: side === "request" ? 503 : 502,
    body: Buffer.from(`missing required header: ${name}`, "latin1"),
    details: `filter_removed_required_${side}_headers{missing_required_header:${name}}`,
    flag: "",
  };
}

/** The reply that the error table prescribes. */
export function errorReply(code: ProxyErrorCode): LocalReplyParts {
  const { status, body, details, flag } = PROXY_ERRORS[code];
  return { ...NOTHING_MORE, status, body: Buffer.from(body, "latin1"), details, flag };
}

/** The reply to bytes that are no HTTP. */
export function protocolErrorReply(status: number, details: string): LocalReplyParts {
  const body = Buffer.from(statusText(status), "latin1");
  return { ...NOTHING_MORE, status, body, details, flag: "DPE" };
}

export interface LocalReplyMessage {
  readonly headers: HeaderMap;
  readonly body: Uint8Array;
}

/** The message for `parts`; the body is empty where the request or the status forbids one. */
export function buildLocalReply(
  parts: LocalReplyParts,
  requestHeaders: HeaderMap | null,
): LocalReplyMessage {
  const headers = new HeaderMap();
  if (isGrpc(requestHeaders)) return grpcReply(parts, headers);
  headers.append(":status", String(parts.status));
  const bodyless = parts.status === 204 || parts.status === 304 || parts.status < 200;
  const body = bodyless ? EMPTY : parts.body;
  addGiven(headers, parts.headers);
  if (body.byteLength > 0) {
    headers.append("content-length", String(body.byteLength));
    if (!headers.has("content-type")) headers.append("content-type", "text/plain");
  }
  const head = requestHeaders?.get(":method") === "HEAD";
  return { headers, body: head ? EMPTY : body };
}

function addGiven(headers: HeaderMap, given: LocalReplyParts["headers"]): void {
  for (const [name, value] of given) {
    if (name.startsWith(":") || name === "content-length") continue;
    if (name === "content-type") headers.set(name, value);
    else headers.append(name, value);
  }
}

function grpcReply(parts: LocalReplyParts, headers: HeaderMap): LocalReplyMessage {
  headers.append(":status", "200");
  headers.append("content-type", "application/grpc");
  const status = parts.grpcStatus >= 0 ? parts.grpcStatus : statusOfHttp(parts.status);
  headers.append("grpc-status", String(status));
  if (parts.body.byteLength > 0) headers.append("grpc-message", percentEncode(parts.body));
  for (const [name, value] of parts.headers) {
    if (!name.startsWith(":") && name !== "content-type" && name !== "content-length") {
      headers.append(name, value);
    }
  }
  return { headers, body: EMPTY };
}

function isGrpc(headers: HeaderMap | null): boolean {
  const type = headers?.get("content-type") ?? "";
  if (!type.startsWith("application/grpc")) return false;
  return type.length === 16 || type[16] === "+";
}

/** grpc-message encoding: printable ASCII but "%" as is, the rest as %XX. */
function percentEncode(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    if (byte >= 0x20 && byte <= 0x7e && byte !== 0x25) text += String.fromCharCode(byte);
    else text += `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}
