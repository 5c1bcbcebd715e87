/**
 * The API of filters written in TypeScript or JavaScript: what `import type ... from "granary"`
 * names. A filter is a module whose default export is a {@link Filter}, or whose named exports are
 * its handlers. Nothing here exists at run time. Guide: docs/typescript-filters.md.
 */

/** Text is sent as UTF-8. */
export type Data = string | Uint8Array;

/** Names in any case; values are latin1, one code unit for each byte, as in node:http. */
export type HeaderList =
  | Readonly<Record<string, string | readonly string[]>>
  | readonly (readonly [name: string, value: string])[];

/**
 * What a handler decides; nothing at all is "continue".
 *
 * - `pause`: the stream waits here. In a headers handler all of it waits, body and trailers too
 *   (headers alone where the plugin has `allow_on_headers_stop_iteration`); in a body handler what
 *   came is kept, and the next call sees all that is kept.
 * - `pauseAndBuffer`, `pauseAndWatermark` (headers): all of it waits; what arrives is kept up to
 *   the buffer limit and then answered 413, or the sender is made to wait.
 * - `pauseAndWatermark` (body): as `pause`, but the sender is made to wait.
 * - `pauseNoBuffer` (body): what came is dropped.
 *
 * A paused stream goes on by `continueRequest()` and `continueResponse()`.
 */
export type Action =
  | "continue"
  | "pause"
  | "pauseAndBuffer"
  | "pauseAndWatermark"
  | "pauseNoBuffer";

/** What a handler without `return` gives. */
// biome-ignore lint/suspicious/noConfusingVoidType: an async function without return gives it
type Nothing = void;

/** A promise makes the stream wait until it settles. */
export type Handled = Action | Nothing | Promise<Action | Nothing>;

export interface HeadersEvent {
  /** Headers there are, pseudo-headers included. */
  readonly count: number;
  /** Nothing follows: no body, no trailers. */
  readonly endOfStream: boolean;
}

export interface BodyEvent {
  /** Bytes to see now. */
  readonly size: number;
  /** Nothing follows. */
  readonly endOfStream: boolean;
}

/** Handlers of the plugin itself. */
export interface PluginHandlers {
  /** The VM starts; false refuses to. */
  onVmStart?(root: RootContext): boolean | Nothing;
  /** The plugin starts; false refuses to. A promise is work that goes on beside streams. */
  onConfigure?(root: RootContext): boolean | Nothing | Promise<void>;
  /** Time of {@link RootContext.setTick}; not while the last tick's promise waits. */
  onTick?(root: RootContext): Nothing | Promise<void>;
  /** There is an item in a queue that this plugin registered. */
  onQueueReady?(root: RootContext, queue: number): Nothing | Promise<void>;
  /** The plugin ends: no streams are left. A promise is waited for, up to the drain's limit. */
  onShutdown?(root: RootContext): Nothing | Promise<void>;
}

/** What a filter may have; each handler that is missing costs nothing. */
export interface Filter<State = Record<string, unknown>> extends PluginHandlers {
  onRequestHeaders?(ctx: HttpContext<State>, event: HeadersEvent): Handled;
  onRequestBody?(ctx: HttpContext<State>, event: BodyEvent): Handled;
  onRequestTrailers?(ctx: HttpContext<State>): Handled;
  onResponseHeaders?(ctx: HttpContext<State>, event: HeadersEvent): Handled;
  onResponseBody?(ctx: HttpContext<State>, event: BodyEvent): Handled;
  onResponseTrailers?(ctx: HttpContext<State>): Handled;
  /** The stream is over; everything can still be read. */
  onLog?(ctx: HttpContext<State>): void;
  /** The stream is over: the last that is heard of it. */
  onDone?(ctx: HttpContext<State>): void;
}

/** Who closed a connection. */
export type PeerType = "local" | "remote" | "unknown";

/**
 * What a filter of TCP chains may have. "continue" and "pause" are the actions; what is paused goes
 * on by `continueDownstream()` and `continueUpstream()`.
 */
export interface NetworkFilter<State = Record<string, unknown>> extends PluginHandlers {
  /** A client has connected; paused, there is no connection to an upstream yet. */
  onNewConnection?(connection: ConnectionContext<State>): Handled;
  /** Bytes of the client. Those that were kept are shown again, together with what has come. */
  onDownstreamData?(connection: ConnectionContext<State>, event: BodyEvent): Handled;
  /** Bytes of the upstream, likewise. */
  onUpstreamData?(connection: ConnectionContext<State>, event: BodyEvent): Handled;
  /** The client's connection is closed. Not waited for, as the next three. */
  onDownstreamClose?(connection: ConnectionContext<State>, by: PeerType): void;
  /** The upstream sends nothing more: told once its last bytes have been shown. */
  onUpstreamClose?(connection: ConnectionContext<State>): void;
  /** The connection is over; everything can still be read. */
  onLog?(connection: ConnectionContext<State>): void;
  /** The connection is over: the last that is heard of it. */
  onDone?(connection: ConnectionContext<State>): void;
}

/** One header map of a stream. */
export interface Headers {
  /** The first value, or null when there is none. */
  get(name: string): string | null;
  has(name: string): boolean;
  /** Every value in order. */
  getAll(name: string): string[];
  /** Every header in order, names in lower case. */
  entries(): [name: string, value: string][];
  /** Replaces all values by one. */
  set(name: string, value: string): void;
  add(name: string, value: string): void;
  delete(name: string): void;
  /** Replaces the whole map. */
  setAll(headers: HeaderList): void;
}

/** The part of a body that is here now. Positions and lengths are in bytes. */
export interface Body {
  readonly size: number;
  /** A copy. */
  bytes(start?: number, length?: number): Uint8Array;
  /** As UTF-8. */
  text(): string;
  /** Puts `data` in the place of what is here. */
  replace(data: Data): void;
  append(data: Data): void;
  prepend(data: Data): void;
  /** Puts `data` in the place of `length` bytes from `start` on. */
  splice(start: number, length: number, data: Data): void;
}

/** One half of a stream. */
export interface Message {
  readonly headers: Headers;
  readonly body: Body;
  readonly trailers: Headers;
}

/** Attributes by path: `properties.text("request", "path")`. Null: there is none. */
export interface Properties {
  text(...path: string[]): string | null;
  number(...path: string[]): number | null;
  boolean(...path: string[]): boolean | null;
  bytes(...path: string[]): Uint8Array | null;
  /** Sets filter state, which later filters and access logs read as `filter_state`. */
  set(path: string | readonly string[], value: Data): void;
}

export interface LocalResponse {
  readonly headers?: HeaderList;
  readonly body?: Data;
  /** For gRPC clients. */
  readonly grpcStatus?: number;
  /** `%RESPONSE_CODE_DETAILS%` of access logs. */
  readonly details?: string;
}

export interface HttpCallOptions {
  /** "GET" when not given. */
  readonly method?: string;
  /** "/" when not given. */
  readonly path?: string;
  /** The cluster's name when not given. */
  readonly authority?: string;
  readonly headers?: HeaderList;
  readonly body?: Data;
  readonly trailers?: HeaderList;
  /** Milliseconds; then the answer is a 504 of the proxy's own. 1000 when not given. */
  readonly timeoutMs?: number;
}

/** A header map that has been received: a copy. */
export interface ReceivedHeaders {
  get(name: string): string | null;
  has(name: string): boolean;
  getAll(name: string): string[];
  entries(): [name: string, value: string][];
}

/** The answer to an HTTP callout. 503 and 504 may be the proxy's own: no upstream, no answer. */
export interface HttpReply {
  readonly status: number;
  readonly headers: ReceivedHeaders;
  readonly body: Uint8Array;
  readonly trailers: ReceivedHeaders;
  text(): string;
  json(): unknown;
}

export interface GrpcCallOptions {
  /** With its package: "envoy.service.ratelimit.v3.RateLimitService". */
  readonly service: string;
  readonly method: string;
  /** The encoded request. */
  readonly message: Uint8Array;
  readonly metadata?: HeaderList;
  /** Milliseconds; 1000 when not given. */
  readonly timeoutMs?: number;
}

/** A call that ended with status 0. */
export interface GrpcReply {
  /** The encoded response. */
  readonly message: Uint8Array;
  readonly initialMetadata: ReceivedHeaders;
  readonly trailingMetadata: ReceivedHeaders;
}

/** A gRPC call with any number of messages each way: `for await (const message of stream)`. */
export interface GrpcStream extends AsyncIterable<Uint8Array> {
  /** `end`: nothing more will be sent. */
  send(message: Uint8Array, end?: boolean): void;
  /** Nothing more will be sent. */
  close(): void;
  /** Gives the call up. */
  cancel(): void;
}

/**
 * What a call is rejected with. `name` is "CalloutError": it could not be started or was reset;
 * "GrpcError": it ended with another status than 0; "ContextEndedError": the stream or plugin
 * that waits is gone (a handler that is left by it is at its end, not in error).
 */
export interface CallError extends Error {
  readonly name: "CalloutError" | "GrpcError" | "ContextEndedError";
  /** The gRPC status; -1 for the other names. */
  readonly status: number;
}

export interface Log {
  trace(text: string): void;
  debug(text: string): void;
  info(text: string): void;
  warn(text: string): void;
  error(text: string): void;
  critical(text: string): void;
}

export interface Counter {
  increment(by?: number | bigint): void;
  /** Of all silos. */
  value(): number;
}
export interface Gauge {
  set(value: number | bigint): void;
  add(offset: number | bigint): void;
  value(): number;
}
export interface Histogram {
  record(value: number | bigint): void;
}

/** By name; a name that is asked for again gives the same metric. */
export interface Metrics {
  counter(name: string): Counter;
  gauge(name: string): Gauge;
  histogram(name: string): Histogram;
}

export interface SharedValue {
  readonly value: Uint8Array;
  /** Of {@link SharedData.set}: changes with each write. */
  readonly cas: number;
  text(): string;
}

/** Values by key that all VMs with the same `vm_id` see, on every silo. */
export interface SharedData {
  get(key: string): SharedValue | null;
  /** @returns false when `cas` is given, not 0, and the value has changed since it was read */
  set(key: string, value: Data, cas?: number): boolean;
  /** Adds to a number that is kept as eight bytes; the sum. One step, whoever else adds. */
  add(key: string, delta: number | bigint): bigint;
  delete(key: string): void;
  /** The value is gone after `ttlMs`. */
  expire(key: string, ttlMs: number): void;
}

/** Queues that all VMs of all silos share. */
export interface Queues {
  /** Makes the queue if need be; `onQueueReady` of this plugin is told of its items. */
  register(name: string): number;
  /** The queue that a plugin of VM `vmId` registered; null: none did. "" is this VM's own id. */
  resolve(vmId: string, name: string): number | null;
  enqueue(queue: number, data: Data): void;
  /** Null: it is empty. */
  dequeue(queue: number): Uint8Array | null;
}

/** What root and stream contexts have in common. */
export interface Context {
  readonly id: number;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly sharedData: SharedData;
  readonly queues: Queues;
  readonly properties: Properties;
  /** By the name of a cluster. Rejects with a {@link CallError}. */
  httpCall(cluster: string, options?: HttpCallOptions): Promise<HttpReply>;
  /** By the name of a cluster, or an encoded GrpcService message. */
  grpcCall(target: Data, options: GrpcCallOptions): Promise<GrpcReply>;
  grpcStream(
    target: Data,
    options: Pick<GrpcCallOptions, "service" | "method" | "metadata">,
  ): GrpcStream;
  sleep(ms: number): Promise<void>;
  /** Nanoseconds since 1970. */
  now(): bigint;
  /** A function beside the ABI, by name (docs/hostcalls.md). Null: there is no such function. */
  callForeignFunction(name: string, args?: Data): Uint8Array | null;
}

/** The plugin itself. */
export interface RootContext extends Context {
  /** `configuration` of the plugin, as text. */
  readonly configuration: string;
  /** `configuration` of the VM, as text. */
  readonly vmConfiguration: string;
  /** The filter's own; gone with the VM. What silos share belongs into {@link SharedData}. */
  readonly state: Record<string, unknown>;
  /** `onTick` every `ms`; 0 stops it. */
  setTick(ms: number): void;
}

/** One request and its response. */
export interface HttpContext<State = Record<string, unknown>> extends Context {
  readonly root: RootContext;
  readonly request: Message;
  readonly response: Message;
  /** The filter's own, empty at the beginning of the stream. */
  state: State;
  /** Aborted when the stream has ended. */
  readonly signal: AbortSignal;
  /** Answers the client; the stream goes no further. */
  sendLocalResponse(status: number, response?: LocalResponse): void;
  continueRequest(): void;
  continueResponse(): void;
  /** Resets the stream. */
  resetStream(): void;
  /** The route is chosen again by the present headers. */
  clearRouteCache(): void;
}

/** One proxied TCP connection. */
export interface ConnectionContext<State = Record<string, unknown>> extends Context {
  readonly root: RootContext;
  /** Bytes of the client that are here now: from its handler on until they are let go. */
  readonly downstream: Body;
  /** Bytes of the upstream. */
  readonly upstream: Body;
  /** The filter's own, empty at the beginning. */
  state: State;
  /** Aborted when the connection has ended. */
  readonly signal: AbortSignal;
  continueDownstream(): void;
  continueUpstream(): void;
  /** Closes the client's connection once what was written has left. */
  close(): void;
}
