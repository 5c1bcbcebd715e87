/**
 * One gRPC callout, unary or stream: our own five-byte framing on whatever the cluster speaks. The
 * callbacks, their order and the statuses are those of Envoy 1.40; differences are in
 * docs/host-differences.md. @hot per-callout
 */
import type { ProxyErrorCode } from "../../base/errors.ts";
import { LIMITS } from "../../base/limits.ts";
import { HeaderMap } from "../../http/header-map.ts";
import { BodyChunk } from "../../shm/body-chunk.ts";
import type { Cluster } from "../../upstream/types.ts";
import type { GrpcEvents, GrpcRequest, StartedGrpc } from "../../vm/roles.ts";
import { buildLocalReply, errorReply } from "../local-reply.ts";
import type { CalloutServices } from "./callout-services.ts";
import { decompress } from "./grpc-compression.ts";
import { type FrameEvents, FrameReader, framed } from "./grpc-frames.ts";
import { grpcRequestHeaders } from "./grpc-request.ts";
import { GRPC_STATUS, messageOf, statusOf, statusOfHttp } from "./grpc-status.ts";
import { UpstreamCallout } from "./upstream-callout.ts";

const NOTHING = BodyChunk.ofHeap(new Uint8Array(0));

export class GrpcCallout extends UpstreamCallout<GrpcEvents> implements StartedGrpc, FrameEvents {
  readonly requestTrailers: "maybe" | "never";
  readonly #frames = new FrameReader(this);
  #encoding = "identity";
  #responding = false;
  #localClosed = false;
  /** Bytes sent since the upstream stopped taking them; -1 while it takes them. */
  #backedUpBytes = -1;

  constructor(
    services: CalloutServices,
    cluster: Cluster,
    request: GrpcRequest,
    events: GrpcEvents,
  ) {
    super(services, cluster, grpcRequestHeaders(request), events);
    // A stream that could not have trailers would end, not be reset, when it is cancelled.
    this.requestTrailers = request.kind === "unary" ? "never" : "maybe";
  }

  /** Sends the head; false: there is no endpoint, or a circuit breaker is open. */
  start(timeoutMs: number): boolean {
    const upstream = this.open(this.services.stats.grpc_total);
    if (upstream === null) return false;
    if (timeoutMs > 0) this.limit(timeoutMs);
    upstream.sendHeaders(this.requestHeaders, false);
    return true;
  }

  // The plugin's side.

  send(message: Uint8Array, endStream: boolean): void {
    if (this.#localClosed) return;
    this.#localClosed = endStream;
    const bytes = framed(message);
    if (this.#backedUpBytes >= 0) this.#backedUpBytes += bytes.byteLength;
    this.upstream?.sendData(BodyChunk.ofHeap(bytes), endStream);
    // Told later, from the event loop: never from inside the guest's own call.
    if (this.#backedUpBytes > LIMITS.grpcPendingBytes) this.limit(0);
  }

  closeLocal(): void {
    if (this.#localClosed) return;
    this.#localClosed = true;
    this.upstream?.sendData(NOTHING, true);
  }

  // The upstream's side.

  onResponseHeaders(headers: HeaderMap, endStream: boolean): void {
    const status = this.countHead(headers);
    if (this.#localClosed) this.setServiceTime(headers);
    this.#responding = true;
    const hasStatus = headers.has("grpc-status");
    if (status !== 200 && !(endStream && hasStatus)) {
      this.events?.onGrpcInitialMetadata(new HeaderMap());
      this.#end(new HeaderMap(), statusOfHttp(status), "");
      return;
    }
    // Trailers only: there is no initial metadata, the head is the end.
    this.events?.onGrpcInitialMetadata(endStream ? new HeaderMap() : headers);
    if (endStream) {
      this.#endByTrailers(headers);
      return;
    }
    this.#encoding = headers.get("grpc-encoding") ?? "identity";
    const type = headers.get("content-type") ?? "application/grpc";
    if (!type.startsWith("application/grpc")) this.#violation(`content-type ${type}`);
  }

  onResponseData(chunk: BodyChunk, endStream: boolean): void {
    const fault = chunk.byteLength === 0 ? null : this.#frames.read(chunk.bytes);
    if (fault === "tooLarge") {
      this.services.stats.reply_too_large.inc();
      this.#end(new HeaderMap(), GRPC_STATUS.resourceExhausted, "message too large");
    } else if (fault !== null) this.#violation("malformed message");
    // A call that ends without trailers says nothing of how it went.
    else if (endStream) this.#end(new HeaderMap(), GRPC_STATUS.unknown, "");
  }

  onMessage(message: Uint8Array, compression: "plain" | "compressed"): boolean {
    let plain: Uint8Array | null = message;
    if (compression === "compressed") plain = decompress(message, this.#encoding);
    if (plain === null) this.#violation("malformed compressed message");
    else this.events?.onGrpcMessage(plain);
    return this.events !== null;
  }

  onResponseTrailers(trailers: HeaderMap): void {
    const isCut = this.#frames.midMessage && statusOf(trailers) === GRPC_STATUS.ok;
    if (isCut) this.#end(trailers, GRPC_STATUS.internal, "incomplete message");
    else this.#endByTrailers(trailers);
  }

  onRequestHighWatermark(): void {
    this.#backedUpBytes = 0;
  }

  onRequestLowWatermark(): void {
    this.#backedUpBytes = -1;
  }

  override onTimeout(): void {
    if (this.#backedUpBytes > LIMITS.grpcPendingBytes) {
      this.#end(new HeaderMap(), GRPC_STATUS.resourceExhausted, "too much to send");
    } else super.onTimeout();
  }

  #endByTrailers(trailers: HeaderMap): void {
    this.answered();
    this.#end(trailers, statusOf(trailers), messageOf(trailers));
  }

  #violation(message: string): void {
    this.#end(new HeaderMap(), GRPC_STATUS.internal, message);
  }

  /** The proxy's own answer before the upstream's has begun, as Envoy makes it; else Internal. */
  protected fail(code: ProxyErrorCode): void {
    if (this.#responding) {
      this.#end(new HeaderMap(), GRPC_STATUS.internal, "");
      return;
    }
    const { headers } = buildLocalReply(errorReply(code), this.requestHeaders);
    this.events?.onGrpcInitialMetadata(new HeaderMap());
    this.#end(headers, statusOf(headers), messageOf(headers));
  }

  #end(trailers: HeaderMap, status: number, message: string): void {
    // The guest may cancel from the first callback.
    this.events?.onGrpcTrailingMetadata(trailers);
    this.finish()?.onGrpcClose(status, message);
  }
}
