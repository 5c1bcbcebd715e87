/**
 * What a response says of a gRPC call: status and message from its trailers (or its head, where it
 * has nothing else), and the status that stands for an HTTP status without one. Source: gRPC over
 * HTTP/2; "HTTP to gRPC Status Code Mapping"; Envoy for local replies.
 */
import type { HeaderMap } from "../../http/header-map.ts";

export const GRPC_STATUS = {
  ok: 0,
  unknown: 2,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;
const STATUS_MAX = 16;

const OF_HTTP: Readonly<Record<number, number>> = {
  400: GRPC_STATUS.internal,
  401: GRPC_STATUS.unauthenticated,
  403: 7,
  404: GRPC_STATUS.unimplemented,
  429: GRPC_STATUS.unavailable,
  502: GRPC_STATUS.unavailable,
  503: GRPC_STATUS.unavailable,
  504: GRPC_STATUS.unavailable,
};

export function statusOfHttp(status: number): number {
  return OF_HTTP[status] ?? GRPC_STATUS.unknown;
}

/** `grpc-status`; Unknown when it is absent, no number, or not one of the sixteen. */
export function statusOf(fields: HeaderMap): number {
  const text = fields.get("grpc-status") ?? "";
  const status = Number(text);
  const isKnown = text.length > 0 && text.length <= 2 && Number.isInteger(status);
  return isKnown && status >= 0 && status <= STATUS_MAX ? status : GRPC_STATUS.unknown;
}

/** `grpc-message` with its percent-encoding undone; bytes that are no encoding stay as they are. */
export function messageOf(fields: HeaderMap): string {
  const text = fields.get("grpc-message") ?? "";
  if (!text.includes("%")) return text;
  let message = "";
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i) === 0x25 ? hexByte(text, i + 1) : -1;
    if (code < 0) message += text.charAt(i);
    else {
      message += String.fromCharCode(code);
      i += 2;
    }
  }
  return message;
}

function hexByte(text: string, at: number): number {
  const digits = text.slice(at, at + 2);
  return digits.length === 2 && isHex(digits, 0) && isHex(digits, 1)
    ? Number.parseInt(digits, 16)
    : -1;
}

function isHex(text: string, at: number): boolean {
  const code = text.charCodeAt(at) | 0x20;
  return (code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66);
}
