/** The contexts that filters get: the plugin's and each stream's. */
import { STREAM_TYPE } from "../../abi/enums.ts";
import type {
  Context,
  Data,
  GrpcCallOptions,
  GrpcReply,
  GrpcStream,
  HttpCallOptions,
  HttpContext,
  HttpReply,
  LocalResponse,
  RootContext,
} from "./api.ts";
import type { Callouts } from "./callouts.ts";
import { callForeign } from "./foreign.ts";
import { type BufferBody, headerBlock, StreamMessage } from "./headers.ts";
import { bytesOf, type Host, OUT_NUMBER } from "./host.ts";
import { ContextLog, ContextProperties } from "./log-and-properties.ts";
import { ContextMetrics, type MetricIds } from "./metrics.ts";
import { ContextQueues, ContextSharedData } from "./shared-state.ts";
import type { LimitedWait } from "./wait-limit.ts";
import { Waits } from "./waits.ts";

/** What the contexts of one VM share. */
export interface Shared {
  readonly host: Host;
  readonly callouts: Callouts;
  readonly metricIds: MetricIds;
}

const NOTHING = new Uint8Array(0);
const NO_GRPC_STATUS = -1;

abstract class BaseContext implements Context {
  readonly id: number;
  readonly waits = new Waits();
  protected readonly shared: Shared;
  #log: ContextLog | null = null;
  #metrics: ContextMetrics | null = null;
  #sharedData: ContextSharedData | null = null;
  #queues: ContextQueues | null = null;
  #properties: ContextProperties | null = null;

  constructor(id: number, shared: Shared) {
    this.id = id;
    this.shared = shared;
  }

  get log(): ContextLog {
    this.#log ??= new ContextLog(this.shared.host, this.id);
    return this.#log;
  }

  get metrics(): ContextMetrics {
    const { host, metricIds } = this.shared;
    this.#metrics ??= new ContextMetrics(host, this.id, metricIds);
    return this.#metrics;
  }

  get sharedData(): ContextSharedData {
    this.#sharedData ??= new ContextSharedData(this.shared.host, this.id);
    return this.#sharedData;
  }

  get queues(): ContextQueues {
    this.#queues ??= new ContextQueues(this.shared.host, this.id);
    return this.#queues;
  }

  get properties(): ContextProperties {
    this.#properties ??= new ContextProperties(this.shared.host, this.id);
    return this.#properties;
  }

  httpCall(cluster: string, options: HttpCallOptions = {}): Promise<HttpReply> {
    return this.shared.callouts.http(this.id, this.waits, cluster, options);
  }

  grpcCall(target: Data, options: GrpcCallOptions): Promise<GrpcReply> {
    return this.shared.callouts.grpc(this.id, this.waits, target, options);
  }

  grpcStream(target: Data, options: Omit<GrpcCallOptions, "message" | "timeoutMs">): GrpcStream {
    return this.shared.callouts.stream(this.id, this.waits, target, options);
  }

  sleep(ms: number): Promise<void> {
    return this.waits.promise<void>((wait, resolve) => {
      wait.cancel = this.shared.host.gate.after(ms, resolve);
    });
  }

  now(): bigint {
    const { host } = this.shared;
    host.act(this.id);
    host.calls.proxy_get_current_time_nanoseconds(OUT_NUMBER);
    host.done();
    return host.resultBigInt();
  }

  callForeignFunction(name: string, args: Data = NOTHING): Uint8Array | null {
    return callForeign(this.shared.host, this.id, name, bytesOf(args));
  }
}

export class PluginContext extends BaseContext implements RootContext {
  configuration = "";
  vmConfiguration = "";
  readonly state: Record<string, unknown> = {};
  /** The promise of the last tick has not settled. */
  ticking = false;

  setTick(ms: number): void {
    const { host } = this.shared;
    host.act(this.id);
    const status = host.calls.proxy_set_tick_period_milliseconds(ms);
    host.end("proxy_set_tick_period_milliseconds", status);
  }

  /** The promise of onShutdown has settled. */
  done(): void {
    const { host } = this.shared;
    host.act(this.id);
    host.calls.proxy_done();
    host.done();
  }
}

/** A handler of one half of a stream that waits, and what came meanwhile. */
export interface WaitingHalf extends LimitedWait {
  /** A handler waits. */
  isBusy: boolean;
  /** Its name. */
  handler: string;
  endOfStream: boolean;
  hasTrailers: boolean;
  /** A look at what came is due. */
  isLookDue: boolean;
}

type Halves = [WaitingHalf | null, WaitingHalf | null];

/** What HTTP streams and connections have in common: two halves whose handlers may wait. */
export abstract class StreamBase extends BaseContext {
  abstract readonly kind: "http" | "tcp";
  readonly root: PluginContext;
  state: Record<string, unknown> = {};
  /** Null: no handler of the half waits or has left something behind. */
  readonly halves: Halves = [null, null];
  #abort: AbortController | null = null;

  constructor(id: number, root: PluginContext, shared: Shared) {
    super(id, shared);
    this.root = root;
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.waits.ended) this.#abort.abort();
    return this.#abort.signal;
  }

  abstract body(half: 0 | 1): BufferBody;

  /** What the ABI calls the half. */
  protected abstract streamType(half: 0 | 1): number;

  /** Lets one half go on; what waits for it is forgotten. */
  resume(half: 0 | 1): void {
    this.halves[half] = null;
    const body = this.body(half);
    body.hidden = 0;
    body.unseen = 0;
    const { host } = this.shared;
    host.act(this.id);
    host.calls.proxy_continue_stream(this.streamType(half));
    host.done();
  }

  /** The stream is over. */
  end(): void {
    this.#abort?.abort();
    this.waits.end();
  }
}

export class StreamHttpContext extends StreamBase implements HttpContext {
  readonly kind = "http";
  #request: StreamMessage | null = null;
  #response: StreamMessage | null = null;

  get request(): StreamMessage {
    this.#request ??= new StreamMessage(this.shared.host, this.id, STREAM_TYPE.request);
    return this.#request;
  }

  get response(): StreamMessage {
    this.#response ??= new StreamMessage(this.shared.host, this.id, STREAM_TYPE.response);
    return this.#response;
  }

  sendLocalResponse(status: number, response: LocalResponse = {}): void {
    const { host } = this.shared;
    const details = response.details ?? "";
    const body = bytesOf(response.body ?? NOTHING);
    const block = response.headers === undefined ? NOTHING : headerBlock(response.headers);
    host.begin();
    const detailsPtr = host.putText(details);
    const bodyPtr = host.putBytes(body);
    const blockPtr = host.putBytes(block);
    host.act(this.id);
    const answer = host.calls.proxy_send_local_response(
      status,
      detailsPtr,
      details.length,
      bodyPtr,
      body.byteLength,
      blockPtr,
      block.byteLength,
      response.grpcStatus ?? NO_GRPC_STATUS,
    );
    host.end("proxy_send_local_response", answer);
    // Handlers that wait have nothing to decide any more.
    this.halves[0] = null;
    this.halves[1] = null;
  }

  continueRequest(): void {
    this.resume(STREAM_TYPE.request);
  }

  continueResponse(): void {
    this.resume(STREAM_TYPE.response);
  }

  resetStream(): void {
    const { host } = this.shared;
    host.act(this.id);
    host.calls.proxy_close_stream(STREAM_TYPE.request);
    host.done();
  }

  clearRouteCache(): void {
    const { host } = this.shared;
    host.act(this.id);
    host.calls.proxy_clear_route_cache();
    host.done();
  }

  body(half: 0 | 1): BufferBody {
    return (half === STREAM_TYPE.request ? this.request : this.response).body;
  }

  protected streamType(half: 0 | 1): number {
    return half;
  }
}
