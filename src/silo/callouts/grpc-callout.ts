/**
 * One gRPC callout, unary or stream: our own five-byte framing on whatever the cluster speaks. The
 * callbacks, their order and the statuses are those of Envoy 1.40; differences are in
 * docs/host-differences.md. @hot per-callout
 */
import type { ProxyErrorCode } from "../../base/errors.ts";
import { LIMITS } from "../../base/limits.ts";
import { HeaderMap } from "../../http/header-map.ts";
import { BodyChunk } from "../../shm/body-chunk.ts";
import type {
  Cluster,
  LoadBalancerContext,
  UpstreamConnectionInfo,
  UpstreamEvents,
  UpstreamRequest,
  UpstreamResetReason,
} from "../../upstream/types.ts";
import type { GrpcEvents, GrpcRequest, StartedGrpc } from "../../vm/roles.ts";
import { buildLocalReply, errorReply } from "../local-reply.ts";
import { RESET_ERRORS } from "../reset-errors.ts";
import { Timeout, type TimeoutOwner } from "../timer-wheel.ts";
import type { CalloutServices } from "./callout-services.ts";
import { decompress } from "./grpc-compression.ts";
import { type FrameEvents, FrameReader, framed } from "./grpc-frames.ts";
import { grpcRequestHeaders } from "./grpc-request.ts";
import { GRPC_STATUS, messageOf, statusOf, statusOfHttp } from "./grpc-status.ts";

const CALL_TIMEOUT = 0;
const FIRST_TRY: LoadBalancerContext = { triedAddresses: [] };
const NOTHING = BodyChunk.ofHeap(new Uint8Array(0));

export class GrpcCallout implements UpstreamEvents, TimeoutOwner, StartedGrpc, FrameEvents {
  readonly #services: CalloutServices;
  readonly #cluster: Cluster;
  readonly #requestHeaders: HeaderMap;
  readonly #timeout = new Timeout(this, CALL_TIMEOUT);
  readonly #frames = new FrameReader(this);
  readonly #startMs: number;
  /** Null once the callout is over. */
  #events: GrpcEvents | null;
  #upstream: UpstreamRequest | null = null;
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
    this.#services = services;
    this.#cluster = cluster;
    this.#requestHeaders = grpcRequestHeaders(request);
    this.#events = events;
    this.#startMs = services.clock.monotonicMs();
  }

  /** Sends the head; false: there is no endpoint, or a circuit breaker is open. */
  start(timeoutMs: number): boolean {
    const upstream = this.#cluster.request(this, FIRST_TRY);
    if (upstream === null) {
      this.#events = null;
      return false;
    }
    this.#upstream = upstream;
    this.#services.stats.grpc_total.inc();
    this.#services.stats.active.inc();
    const limitMs = Math.min(timeoutMs, LIMITS.calloutTimeoutMs);
    if (timeoutMs > 0) this.#services.wheel.set(this.#timeout, limitMs);
    upstream.sendHeaders(this.#requestHeaders, false);
    return true;
  }

  // The plugin's side.

  send(message: Uint8Array, endStream: boolean): void {
    if (this.#localClosed) return;
    this.#localClosed = endStream;
    const bytes = framed(message);
    if (this.#backedUpBytes >= 0) this.#backedUpBytes += bytes.byteLength;
    this.#upstream?.sendData(BodyChunk.ofHeap(bytes), endStream);
    // Told later, from the event loop: never from inside the guest's own call.
    if (this.#backedUpBytes > LIMITS.grpcPendingBytes) this.#services.wheel.set(this.#timeout, 0);
  }

  closeLocal(): void {
    if (this.#localClosed) return;
    this.#localClosed = true;
    this.#upstream?.sendData(NOTHING, true);
  }

  cancel(): void {
    if (this.#finish() !== null) this.#services.stats.cancelled.inc();
  }

  // The upstream's side.

  onConnectionReady(_info: UpstreamConnectionInfo): void {
    // Nothing is told about the connection of a callout.
  }

  onInformational(_headers: HeaderMap): void {
    // Interim answers are not the answer.
  }

  onResponseHeaders(headers: HeaderMap, endStream: boolean): void {
    const { clock } = this.#services;
    const status = Number(headers.get(":status"));
    this.#cluster.stats.countResponse(status);
    if (this.#localClosed) {
      const took = clock.monotonicMs() - this.#startMs;
      headers.set("x-envoy-upstream-service-time", String(Math.max(0, Math.floor(took))));
    }
    this.#responding = true;
    const hasStatus = headers.has("grpc-status");
    if (status !== 200 && !(endStream && hasStatus)) {
      this.#events?.onGrpcInitialMetadata(new HeaderMap());
      this.#end(new HeaderMap(), statusOfHttp(status), "");
      return;
    }
    // Trailers only: there is no initial metadata, the head is the end.
    this.#events?.onGrpcInitialMetadata(endStream ? new HeaderMap() : headers);
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
      this.#services.stats.reply_too_large.inc();
      this.#end(new HeaderMap(), GRPC_STATUS.resourceExhausted, "message too large");
    } else if (fault !== null) this.#violation("malformed message");
    // A call that ends without trailers says nothing of how it went.
    else if (endStream) this.#end(new HeaderMap(), GRPC_STATUS.unknown, "");
  }

  onMessage(message: Uint8Array, compression: "plain" | "compressed"): boolean {
    let plain: Uint8Array | null = message;
    if (compression === "compressed") plain = decompress(message, this.#encoding);
    if (plain === null) this.#violation("malformed compressed message");
    else this.#events?.onGrpcMessage(plain);
    return this.#events !== null;
  }

  onResponseTrailers(trailers: HeaderMap): void {
    const isCut = this.#frames.midMessage && statusOf(trailers) === GRPC_STATUS.ok;
    if (isCut) this.#end(trailers, GRPC_STATUS.internal, "incomplete message");
    else this.#endByTrailers(trailers);
  }

  onUpstreamReset(reason: UpstreamResetReason, _detail: string): void {
    this.#upstream = null;
    this.#fail(RESET_ERRORS[reason]);
  }

  onRequestHighWatermark(): void {
    this.#backedUpBytes = 0;
  }

  onRequestLowWatermark(): void {
    this.#backedUpBytes = -1;
  }

  onTimeout(): void {
    if (this.#backedUpBytes > LIMITS.grpcPendingBytes) {
      this.#end(new HeaderMap(), GRPC_STATUS.resourceExhausted, "too much to send");
      return;
    }
    this.#cluster.stats.handles.upstream_rq_timeout.inc();
    this.#upstream?.reset("timeout");
    this.#upstream = null;
    this.#fail("upstreamTimeout");
  }

  #endByTrailers(trailers: HeaderMap): void {
    const took = this.#services.clock.monotonicMs() - this.#startMs;
    this.#cluster.stats.handles.upstream_rq_time.record(took);
    this.#upstream = null;
    this.#end(trailers, statusOf(trailers), messageOf(trailers));
  }

  #violation(message: string): void {
    this.#end(new HeaderMap(), GRPC_STATUS.internal, message);
  }

  /** The proxy's own answer before the upstream's has begun, as Envoy makes it; else Internal. */
  #fail(code: ProxyErrorCode): void {
    if (this.#responding) {
      this.#end(new HeaderMap(), GRPC_STATUS.internal, "");
      return;
    }
    const { headers } = buildLocalReply(errorReply(code), this.#requestHeaders);
    this.#events?.onGrpcInitialMetadata(new HeaderMap());
    this.#end(headers, statusOf(headers), messageOf(headers));
  }

  #end(trailers: HeaderMap, status: number, message: string): void {
    // The guest may cancel from the first callback.
    this.#events?.onGrpcTrailingMetadata(trailers);
    this.#finish()?.onGrpcClose(status, message);
  }

  /** Ends the callout; who is to be told, or null when it was over. */
  #finish(): GrpcEvents | null {
    const events = this.#events;
    if (events === null) return null;
    this.#events = null;
    this.#services.wheel.cancel(this.#timeout);
    this.#services.stats.active.dec();
    this.#upstream?.reset();
    this.#upstream = null;
    return events;
  }
}
