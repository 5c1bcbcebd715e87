/** The head of a gRPC callout's request. Source: gRPC over HTTP/2, "Request-Headers". */
import { HeaderMap } from "../../http/header-map.ts";
import type { GrpcRequest } from "../../vm/roles.ts";

/** `grpc-timeout` has eight digits at most. */
const TIMEOUT_DIGITS_MAX = 99_999_999;
const MS_PER_SECOND = 1_000;
/** Fields that are the protocol's own: metadata cannot replace them. */
const OWN: ReadonlySet<string> = new Set([
  "content-type",
  "te",
  "grpc-timeout",
  "grpc-encoding",
  "grpc-accept-encoding",
]);

export function grpcRequestHeaders(request: GrpcRequest): HeaderMap {
  const headers = HeaderMap.of([
    [":method", "POST"],
    [":scheme", "http"],
    [":path", `/${request.service}/${request.method}`],
    [":authority", request.authority === "" ? request.cluster : request.authority],
    ["te", "trailers"],
  ]);
  if (request.timeoutMs > 0) headers.append("grpc-timeout", timeoutText(request.timeoutMs));
  headers.append("content-type", "application/grpc");
  headers.append("grpc-accept-encoding", "identity,deflate,gzip");
  const { metadata } = request;
  for (let i = 0; i < metadata.count; i++) {
    const name = metadata.nameAt(i);
    if (name.startsWith(":") || OWN.has(name)) continue;
    const value = metadata.valueAt(i);
    headers.append(name, name.endsWith("-bin") ? base64(value) : value);
  }
  if (request.timeoutMs > 0) {
    headers.set("x-envoy-expected-rq-timeout-ms", String(request.timeoutMs));
  }
  headers.set("x-envoy-internal", "true");
  return headers;
}

/** Binary metadata: guests give raw bytes, the protocol carries text. */
function base64(bytes: string): string {
  return Buffer.from(bytes, "latin1").toString("base64");
}

function timeoutText(timeoutMs: number): string {
  if (timeoutMs <= TIMEOUT_DIGITS_MAX) return `${timeoutMs}m`;
  return `${Math.ceil(timeoutMs / MS_PER_SECOND)}S`;
}
