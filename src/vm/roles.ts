/**
 * What a VM needs of the thread it lives on, cut into roles. The silo implements one small class
 * per
 * role; hostcall bodies know nothing else of the proxy. All calls are synchronous, on the VM's
 * thread, and never throw. Source: Proxy-Wasm ABI, section 3.
 */
import type { PropertyValue } from "../config/types.ts";
import type { HeaderMap } from "../http/header-map.ts";
import type { QueueSeat } from "../shm/queue-seat.ts";
import type { SharedData } from "../shm/shared-data.ts";
import type { BodyWindow } from "./body-windows.ts";
import type { StateDeclaration } from "./declared-properties.ts";
import type { FailureKind } from "./trap.ts";

/** Header maps of one stream. Map ids 0-3 (ABI 4.4); 4-7 belong to callouts. */
export interface HeaderHost {
  /** The map to read, or null when it is not available in the present phase. */
  readable(mapType: number): HeaderMap | null;
  /** The map to change, or null when it may not be changed now. May create trailers (ABI 3.5). */
  writable(mapType: number): HeaderMap | null;
  /** A guest changed the map (map 0: the cached route is dropped). */
  changed(mapType: number): void;
}

/** Body buffers of one stream. Buffer ids 0, 1 (HTTP); 2, 3 (TCP). */
export interface BufferHost {
  /** Readable bytes, or -1 when the buffer is not available now. */
  size(bufferType: number): number;
  /** Copies `[start, start+length)` to `target` at `at`; the range lies inside the buffer. */
  copyTo(bufferType: number, start: number, length: number, target: Uint8Array, at: number): void;
  /**
   * Replaces `[start, start+length)` by `data` (which the callee keeps). False: not writable now.
   */
  splice(bufferType: number, start: number, length: number, data: Uint8Array): boolean;
  /**
   * What comes of the body is put into `window`, where it can be; null takes back what was lent
   * before. The callee closes it when the stream ends. False: there is no such body.
   */
  lend(bufferType: number, window: BodyWindow | null): boolean;
}

export interface LocalReply {
  readonly status: number;
  readonly details: string;
  readonly body: Uint8Array;
  readonly headers: readonly (readonly [string, string])[];
  /** -1 = not given. */
  readonly grpcStatus: number;
}

/**
 * Effects on a stream. The VM calls these after the guest has returned, never inside a callback.
 */
export interface StreamHost {
  continueRequest(): void;
  continueResponse(): void;
  /** Resets the HTTP stream (details `wasm_close_stream`). */
  closeStream(): void;
  sendLocalReply(reply: LocalReply): void;
  /** The VM of this stream failed: answer by the plugin's policy (ABI 5.8). */
  failStream(): void;
  clearRouteCache(): void;
  /**
   * The callback that returned SUSPENDED has this status. `direction` is a DIRECTION: each has one
   * such callback at a time.
   */
  settle(direction: number, status: number): void;
}

/** Attributes of one stream (ABI 3.3); `plugin_*` are answered by the VM itself. */
export interface PropertyHost {
  /** `undefined` = NotFound; `null` = a value that cannot be serialised (SerializationFailure). */
  property(path: readonly string[]): PropertyValue | null | undefined;
}

/** Attributes of a stream, and the filter state that plugins set on it. */
export interface StreamPropertyHost extends PropertyHost {
  /**
   * Stores filter state under its full name (`wasm.<name>` for what `proxy_set_property` sets); the
   * callee keeps `value`. What is there already keeps its declaration. False: it is read-only.
   */
  setState(key: string, value: Uint8Array, declaration: StateDeclaration): boolean;
}

/** Metrics that plugins define. Ids are the ABI's (kind in the low two bits). */
export interface MetricHost {
  /**
   * Returns a slot handle >= 0, or -1 when the cap is reached. kind: 0 counter, 1 gauge, 2
   * histogram.
   */
  define(kind: number, name: string): number;
  /** One more owner has the metric, which it has just defined. */
  retain(handle: number): void;
  /** An owner is gone for good: a metric that nobody has disappears. */
  release(handle: number): void;
  /** Adds to a counter or gauge. */
  add(handle: number, offset: bigint): void;
  set(handle: number, value: bigint): void;
  observe(handle: number, value: bigint): void;
  /** The process total. */
  read(handle: number): bigint;
  /** A plugin used a metric that was refused when it was defined. */
  refused(): void;
}

/** Lines that guests log, already decoded. level 0..5 (ABI 4.2). */
export interface LogHost {
  log(level: number, message: string): void;
  /** Present threshold, 0..6. */
  level(): number;
}

/** An HTTP request that a plugin makes on its own (ABI 3.10). */
export interface HttpCallRequest {
  /** Name of the upstream. */
  readonly cluster: string;
  /** Pseudo-headers included; no hop-by-hop headers. */
  readonly headers: HeaderMap;
  readonly body: Uint8Array;
  /** Null: none. */
  readonly trailers: HeaderMap | null;
  /** Milliseconds; 0 = the host's own limit. */
  readonly timeoutMs: number;
}

/** The answer to a callout, real or made up by the proxy (ABI 3.10: 504, 503). */
export interface HttpCallReply {
  readonly headers: HeaderMap;
  readonly body: Uint8Array;
  readonly trailers: HeaderMap | null;
}

/** Exactly one of these is called, never from inside {@link CalloutHost.httpCall}. */
export interface HttpCallEvents {
  onHttpReply(reply: HttpCallReply): void;
  /** Reset after the response had begun, or a response that is too large: nothing to show. */
  onHttpFailure(): void;
}

/** A callout that is under way. */
export interface StartedCallout {
  /** Gives it up: no event comes any more. */
  cancel(): void;
}

/** A gRPC call or stream that a plugin opens (ABI 3.11). */
export interface GrpcRequest {
  /** One message at once, or as many as the guest will send. */
  readonly kind: "unary" | "stream";
  /** Name of the upstream. */
  readonly cluster: string;
  /** "" = the cluster's name. */
  readonly authority: string;
  readonly service: string;
  readonly method: string;
  readonly metadata: HeaderMap;
  /** Milliseconds; 0 = none. */
  readonly timeoutMs: number;
}

/** Never called from inside {@link CalloutHost.grpcCall} or a method of {@link StartedGrpc}. */
export interface GrpcEvents {
  onGrpcInitialMetadata(metadata: HeaderMap): void;
  onGrpcMessage(message: Uint8Array): void;
  onGrpcTrailingMetadata(metadata: HeaderMap): void;
  /** Last. `status` 0..16. */
  onGrpcClose(status: number, message: string): void;
}

export interface StartedGrpc extends StartedCallout {
  /** Sends one message; nothing after the end of what this side sends. */
  send(message: Uint8Array, endStream: boolean): void;
  /** Ends what this side sends. */
  closeLocal(): void;
}

/** Requests of plugins to upstreams. */
export interface CalloutHost {
  /** Null: it could not be started (no endpoint, circuit breaker). */
  grpcCall(request: GrpcRequest, events: GrpcEvents): StartedGrpc | null;
  hasCluster(name: string): boolean;
  /** Null: it could not be started (no endpoint, circuit breaker). */
  httpCall(request: HttpCallRequest, events: HttpCallEvents): StartedCallout | null;
  /** A plugin has as many callouts as it may have: one more was refused. */
  refused(): void;
}

/** `addresses`: empty when the name has none, null when the look-up failed. */
export interface DnsReply {
  readonly addresses: readonly string[] | null;
  readonly ttlS: number;
}

/** Names that plugins look up. */
export interface DnsHost {
  /** Calls `done` once, never from inside `resolve`. */
  resolve(name: string, done: (reply: DnsReply) => void): void;
}

/** Timers of root contexts. */
export interface TimerHost {
  /** Calls `run` once after `delayMs`; returns the cancel function. */
  after(delayMs: number, run: () => void): () => void;
  wallNs(): bigint;
  monotonicNs(): bigint;
}

/**
 * What one stream gives its contexts. The same object serves every plugin of the stream's chain.
 */
export interface StreamRoles {
  readonly kind: "http" | "tcp";
  readonly headers: HeaderHost;
  readonly buffers: BufferHost;
  readonly stream: StreamHost;
  readonly properties: StreamPropertyHost;
}

/** What VMs share over all threads. See `shared-data.ts` and `shared-queues.ts` of `src/shm`. */
export interface SharedStateHost {
  readonly data: SharedData;
  readonly queues: QueueSeat;
  /** The namespace of a `vm_id`. */
  spaceOf(vmId: string): number;
}

/** What happens to the VMs of the thread, for its statistics. `plugin` is a plugin's name. */
export interface VmEventHost {
  created(): void;
  ended(): void;
  failed(plugin: string, kind: FailureKind): void;
  /** A failed VM was made anew, or could not be, or has to wait. */
  reloaded(plugin: string, outcome: "success" | "failure" | "backoff"): void;
  /** It failed too often: no new VM for a while. */
  cutOff(plugin: string): void;
  /** It held the thread before it failed, and not for the first time: no new VM for a while. */
  keptOut(plugin: string): void;
  /** A call of its guest was suspended. */
  suspended(plugin: string): void;
  /** What it awaited did not come in time. */
  suspendedTooLong(plugin: string): void;
  /** A callback could not wait for a suspended call: too many do. */
  waitRefused(plugin: string): void;
  /** A handler of its script waited for too long: its stream was given up. */
  waitedTooLong(plugin: string): void;
  /** A VM was added to a pool or taken out of it, or there was no idle one, nor a place for one. */
  pooled(event: "created" | "retired" | "exhausted"): void;
  /** Its VMs have as much memory in all silos as it may have: one could not grow. */
  memoryRefused(plugin: string): void;
  /** Its guest logs more than it may: a line was dropped. */
  lineDropped(plugin: string): void;
}

/** What the thread gives every VM. */
export interface ThreadRoles {
  readonly metrics: MetricHost;
  readonly log: LogHost;
  readonly timers: TimerHost;
  readonly dns: DnsHost;
  readonly callouts: CalloutHost;
  readonly shared: SharedStateHost;
  readonly vmEvents: VmEventHost;
  /** Attributes that need no stream: `xds.node`, `node`, `listener_direction`... */
  readonly rootProperties: PropertyHost;
}
