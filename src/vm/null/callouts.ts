/**
 * HTTP and gRPC callouts of the null engine: starts them by the hostcalls, and makes of their
 * callbacks what promises and streams give. All ids of a VM are here, whichever context started
 * them.
 */
import { BUFFER_TYPE, MAP_TYPE, STATUS } from "../../abi/enums.ts";
import { assert } from "../../base/assert.ts";
import type { Data, GrpcCallOptions, GrpcReply, HttpCallOptions, HttpReply } from "./api.ts";
import { CalloutError, GrpcError, HostcallError } from "./errors.ts";
import { ReceivingStream } from "./grpc-stream.ts";
import { CopiedHeaders, headerBlock, pairsOf, readBuffer, readPairs } from "./headers.ts";
import { bytesOf, type Host, OUT_LEN, OUT_NUMBER, OUT_PTR, utf8Of } from "./host.ts";
import type { Waits } from "./waits.ts";

const TIMEOUT_MS = 1_000;
const NOTHING = new Uint8Array(0);

interface PendingHttp {
  readonly kind: "http";
  resolve(reply: HttpReply): void;
  reject(error: Error): void;
}
interface PendingGrpc {
  readonly kind: "grpc";
  resolve(reply: GrpcReply): void;
  reject(error: Error): void;
}
interface OpenStream {
  readonly kind: "stream";
  readonly stream: ReceivingStream;
}

class Reply implements HttpReply {
  readonly status: number;
  readonly headers: CopiedHeaders;
  readonly body: Uint8Array;
  readonly trailers: CopiedHeaders;

  constructor(headers: CopiedHeaders, body: Uint8Array, trailers: CopiedHeaders) {
    this.status = Number(headers.get(":status") ?? 0);
    this.headers = headers;
    this.body = body;
    this.trailers = trailers;
  }
  text(): string {
    return utf8Of(this.body);
  }
  json(): unknown {
    return JSON.parse(this.text());
  }
}

/** The hostcall's word for why nothing was started. */
function refused(hostcall: string, status: number): CalloutError {
  const { message } = new HostcallError(hostcall, status);
  const hint = status === STATUS.badArgument ? " (is there such a cluster?)" : "";
  return new CalloutError(message + hint);
}

export class Callouts {
  readonly #host: Host;
  readonly #pending = new Map<number, PendingHttp | PendingGrpc | OpenStream>();

  constructor(host: Host) {
    this.#host = host;
  }

  http(id: number, waits: Waits, cluster: string, options: HttpCallOptions): Promise<HttpReply> {
    return waits.promise((wait, resolve) => {
      const token = this.#startHttp(id, cluster, options);
      this.#pending.set(token, { kind: "http", resolve, reject: wait.reject });
      // The ABI cannot take an HTTP callout back: its answer is passed over.
      wait.cancel = () => this.#pending.delete(token);
    });
  }

  grpc(id: number, waits: Waits, target: Data, options: GrpcCallOptions): Promise<GrpcReply> {
    return waits.promise((wait, resolve) => {
      const message = options.message;
      const token = this.#startGrpc(id, target, { ...options, message });
      this.#pending.set(token, { kind: "grpc", resolve, reject: wait.reject });
      wait.cancel = () => this.#cancel(id, token);
    });
  }

  stream(
    id: number,
    waits: Waits,
    target: Data,
    options: Omit<GrpcCallOptions, "message" | "timeoutMs">,
  ): ReceivingStream {
    const token = this.#startGrpc(id, target, { ...options, message: null });
    const stream = new ReceivingStream({
      waits,
      send: (message, end) => this.#send(id, token, message, end),
      close: () => {
        this.#host.begin();
        this.#host.act(id);
        this.#host.calls.proxy_grpc_close(token);
        this.#host.done();
      },
      cancel: () => this.#cancel(id, token),
    });
    this.#pending.set(token, { kind: "stream", stream });
    return stream;
  }

  /** proxy_on_http_call_response: within that callback. `headers` 0 = there is no answer. */
  onHttpReply(token: number, headers: number): void {
    const call = this.#take(token);
    if (call?.kind !== "http") return;
    if (headers === 0) {
      call.reject(new CalloutError("the callout was reset"));
      return;
    }
    const host = this.#host;
    host.begin();
    const head = readPairs(host, MAP_TYPE.callResponseHeaders);
    host.begin();
    const body = readBuffer(host, BUFFER_TYPE.callResponseBody) ?? NOTHING;
    host.begin();
    const trailers = readPairs(host, MAP_TYPE.callResponseTrailers);
    call.resolve(new Reply(new CopiedHeaders(head), body, new CopiedHeaders(trailers)));
  }

  onGrpcMessage(token: number): void {
    const call = this.#pending.get(token);
    if (call === undefined || call.kind === "http") return;
    const host = this.#host;
    host.begin();
    const message = readBuffer(host, BUFFER_TYPE.grpcMessage) ?? NOTHING;
    if (call.kind === "stream") {
      call.stream.arrived(message);
      return;
    }
    this.#pending.delete(token);
    host.begin();
    const initial = readPairs(host, MAP_TYPE.grpcInitialMetadata);
    host.begin();
    const trailing = readPairs(host, MAP_TYPE.grpcTrailingMetadata);
    call.resolve({
      message,
      initialMetadata: new CopiedHeaders(initial),
      trailingMetadata: new CopiedHeaders(trailing),
    });
  }

  onGrpcClose(token: number, status: number): void {
    const call = this.#take(token);
    if (call === null || call.kind === "http") return;
    const error = status === 0 ? null : new GrpcError(status, this.#statusMessage());
    if (call.kind === "stream") call.stream.closed(error);
    else call.reject(error ?? new GrpcError(0, "the call ended without a message"));
  }

  #take(token: number): PendingHttp | PendingGrpc | OpenStream | null {
    const call = this.#pending.get(token) ?? null;
    this.#pending.delete(token);
    return call;
  }

  #startHttp(id: number, cluster: string, options: HttpCallOptions): number {
    const { method = "GET", path = "/", authority = cluster, headers = [] } = options;
    const line = { ":method": method, ":path": path, ":authority": authority };
    const head = headerBlock([...pairsOf(line), ...pairsOf(headers)]);
    const body = bytesOf(options.body ?? NOTHING);
    const trailers = options.trailers === undefined ? NOTHING : headerBlock(options.trailers);
    const host = this.#host;
    host.begin();
    const clusterPtr = host.putText(cluster);
    const headPtr = host.putBytes(head);
    const bodyPtr = host.putBytes(body);
    const trailersPtr = host.putBytes(trailers);
    host.act(id);
    const status = host.calls.proxy_http_call(
      clusterPtr,
      cluster.length,
      headPtr,
      head.byteLength,
      bodyPtr,
      body.byteLength,
      trailersPtr,
      trailers.byteLength,
      options.timeoutMs ?? TIMEOUT_MS,
      OUT_NUMBER,
    );
    host.done();
    if (status !== STATUS.ok) throw refused("proxy_http_call", status);
    return host.resultNumber();
  }

  /** A call with its one message, or a stream, whose messages follow. */
  #startGrpc(
    id: number,
    target: Data,
    options: Omit<GrpcCallOptions, "message"> & { readonly message: Uint8Array | null },
  ): number {
    const { service, method, message, metadata = [], timeoutMs = TIMEOUT_MS } = options;
    const upstream = bytesOf(target);
    const block = headerBlock(metadata);
    const host = this.#host;
    host.begin();
    const where = [
      host.putBytes(upstream),
      upstream.byteLength,
      host.putText(service),
      service.length,
      host.putText(method),
      method.length,
      host.putBytes(block),
      block.byteLength,
    ] as const;
    const messagePtr = host.putBytes(message ?? NOTHING);
    host.act(id);
    const { calls } = host;
    const size = message?.byteLength ?? 0;
    const status =
      message === null
        ? calls.proxy_grpc_stream(...where, OUT_NUMBER)
        : calls.proxy_grpc_call(...where, messagePtr, size, timeoutMs, OUT_NUMBER);
    host.done();
    if (status !== STATUS.ok) throw refused("proxy_grpc_call", status);
    return host.resultNumber();
  }

  #send(id: number, token: number, message: Uint8Array, end: boolean): void {
    const host = this.#host;
    host.begin();
    const ptr = host.putBytes(message);
    host.act(id);
    const status = host.calls.proxy_grpc_send(token, ptr, message.byteLength, end ? 1 : 0);
    host.end("proxy_grpc_send", status);
  }

  /** Of a context that is there, or within its last callback. */
  #cancel(id: number, token: number): void {
    const call = this.#take(token);
    if (call === null) return;
    assert(call.kind !== "http", "only gRPC callouts can be cancelled");
    this.#host.begin();
    this.#host.act(id);
    this.#host.calls.proxy_grpc_cancel(token);
    this.#host.done();
  }

  #statusMessage(): string {
    const host = this.#host;
    host.begin();
    return host.calls.proxy_get_status(OUT_NUMBER, OUT_PTR, OUT_LEN) === STATUS.ok
      ? host.resultText()
      : "";
  }
}
