/**
 * A Wasm plugin as an HTTP filter of one stream: passes events to its stream context and keeps
 * track
 * of what the guest may touch now. The roles the VM needs are small classes over this one.
 * @hot per-request, per-chunk
 */
import type { HeaderMap } from "../http/header-map.ts";
import { HeaderMap as Headers } from "../http/header-map.ts";
import type { BodyWindow } from "../vm/body-windows.ts";
import { DIRECTION } from "../vm/current-call.ts";
import type { BufferHost, HeaderHost, LocalReply, StreamHost, StreamRoles } from "../vm/roles.ts";
import {
  DATA_STATUS,
  HEADERS_STATUS,
  type Plugin,
  type StreamContext,
  SUSPENDED,
  TRAILERS_STATUS,
} from "../vm/types.ts";
import type { BodyBuffer } from "./body-buffer.ts";
import type { ChainDirection } from "./filter-chain.ts";
import { showInWindow } from "./filter-window.ts";
import { type Direction, type HttpFilter, REQUEST, RESPONSE } from "./http-filter.ts";
import type { LocalReplyParts } from "./local-reply.ts";
import { type AttributeSource, StreamProperties } from "./properties.ts";

const EMPTY = new Uint8Array(0);

/** One direction as the guest may see it now. */
class Phase {
  /** The guest may change the headers: until it (or the chain) lets them go. */
  headersOpen = false;
  trailersOpen = false;
  /** The last body event that was made known ends the stream. */
  lastData = false;
  inData = false;
  /** The guest returned StopIterationAndBuffer: it sees all that is held. */
  buffering = false;
  /** The guest stopped in a body callback: what is held stays its to see. */
  stoppedInData = false;
  /** In a body callback: what it looks at; null while what the chain keeps for it is that. */
  data: BodyBuffer | null = null;
  /** The callback that has not returned yet. */
  suspended: "" | "headers" | "data" | "trailers" = "";
  /** Memory that the guest lends for what comes. */
  window: BodyWindow | null = null;

  lend(window: BodyWindow | null): void {
    this.window?.close();
    this.window = window;
  }

  afterHeaders(status: number): void {
    if (status === HEADERS_STATUS.continue) this.headersOpen = false;
  }

  afterData(status: number): void {
    this.inData = false;
    this.data = null;
    this.buffering = status === DATA_STATUS.stopAndBuffer;
    this.stoppedInData = status !== DATA_STATUS.continue;
    if (status === DATA_STATUS.continue) this.headersOpen = false;
  }

  afterTrailers(status: number): void {
    if (status === TRAILERS_STATUS.continue) this.release();
  }

  /** The callback that was suspended has returned. */
  settle(status: number): void {
    const { suspended } = this;
    this.suspended = "";
    if (suspended === "headers") this.afterHeaders(status);
    else if (suspended === "data") this.afterData(status);
    else this.afterTrailers(status);
  }

  release(): void {
    this.headersOpen = false;
    this.trailersOpen = false;
    this.stoppedInData = false;
    this.buffering = false;
    this.data = null;
  }
}

/** What a filter does to the stream that it is in. */
export interface FilterStream extends AttributeSource {
  readonly request: ChainDirection;
  readonly response: ChainDirection;
  readonly ended: boolean;
  localReply(parts: LocalReplyParts): void;
  reset(flag: string, details: string): void;
  clearRouteCache(): void;
}

export class WasmFilter implements HttpFilter {
  readonly stream: FilterStream;
  /** How it ended the stream by itself; null = it did not. */
  endedBy: LocalReply | "reset" | "failure" | null = null;
  readonly phases: readonly [Phase, Phase] = [new Phase(), new Phase()];
  #context: StreamContext | null = null;
  #entered = false;
  #destroyed = false;

  constructor(stream: FilterStream) {
    this.stream = stream;
  }

  attach(context: StreamContext): void {
    this.#context = context;
  }

  chain(direction: Direction): ChainDirection {
    return direction === REQUEST ? this.stream.request : this.stream.response;
  }

  onHeaders(direction: Direction, endStream: boolean): number {
    const context = this.#context;
    if (context === null || (direction === RESPONSE && !this.#entered))
      return HEADERS_STATUS.continue;
    const phase = this.phases[direction];
    if (direction === RESPONSE) this.#answered(context);
    if (!this.#entered) context.enter();
    phase.headersOpen = true;
    this.#entered = true;
    const { info } = this.stream;
    let status: number;
    if (direction === REQUEST) {
      status = context.onRequestHeaders(info.requestHeaders?.count ?? 0, endStream);
    } else {
      status = context.onResponseHeaders(info.responseHeaders?.count ?? 0, endStream);
    }
    if (status === SUSPENDED) phase.suspended = "headers";
    else phase.afterHeaders(status);
    return status;
  }

  onData(direction: Direction, data: BodyBuffer, endStream: boolean): number {
    const context = this.#context;
    if (context === null || !this.#entered) return DATA_STATUS.continue;
    const phase = this.phases[direction];
    phase.data = phase.buffering ? this.chain(direction).hold(data) : data;
    phase.lastData = endStream;
    phase.inData = true;
    if (phase.window !== null) showInWindow(phase.window, phase.data);
    const size = phase.data.byteLength;
    const status =
      direction === REQUEST
        ? context.onRequestBody(size, endStream)
        : context.onResponseBody(size, endStream);
    if (status === SUSPENDED) {
      phase.suspended = "data";
      // The guest still looks at what lies there.
      phase.window?.withdraw();
      if (!phase.buffering) phase.data = null;
    } else phase.afterData(status);
    return status;
  }

  onTrailers(direction: Direction): number {
    const context = this.#context;
    if (context === null || !this.#entered) return TRAILERS_STATUS.continue;
    const phase = this.phases[direction];
    phase.trailersOpen = true;
    const { info } = this.stream;
    const status =
      direction === REQUEST
        ? context.onRequestTrailers(info.requestTrailers?.count ?? 0)
        : context.onResponseTrailers(info.responseTrailers?.count ?? 0);
    if (status === SUSPENDED) phase.suspended = "trailers";
    else phase.afterTrailers(status);
    return status;
  }

  onLog(): void {
    this.#context?.onLog();
  }

  onDestroy(): void {
    this.#destroyed = true;
    this.phases[REQUEST].lend(null);
    this.phases[RESPONSE].lend(null);
    this.#context?.onDestroy();
    this.#context = null;
  }

  /** A response comes: a request callback that waits may be nobody's any more. */
  #answered(context: StreamContext): void {
    const phase = this.phases[REQUEST];
    if (phase.suspended === "" || !this.stream.request.aborted) return;
    phase.suspended = "";
    context.onRequestAborted();
  }

  /** The guest resumes a direction it stopped. */
  resume(direction: Direction): void {
    if (this.#destroyed || this.stream.ended) return;
    this.phases[direction].release();
    this.chain(direction).resume(this);
  }

  /** The callback of `direction` that was suspended has `status`. */
  settle(direction: Direction, status: number): void {
    if (this.#destroyed || this.stream.ended) return;
    this.phases[direction].settle(status);
    this.chain(direction).settle(this, status);
  }

  get destroyed(): boolean {
    return this.#destroyed;
  }
}

class HeaderRole implements HeaderHost {
  readonly #filter: WasmFilter;
  constructor(filter: WasmFilter) {
    this.#filter = filter;
  }

  readable(mapType: number): HeaderMap | null {
    const { info } = this.#filter.stream;
    switch (mapType) {
      case 0:
        return info.requestHeaders;
      case 1:
        return info.requestTrailers;
      case 2:
        return info.responseHeaders;
      default:
        return info.responseTrailers;
    }
  }

  writable(mapType: number): HeaderMap | null {
    const filter = this.#filter;
    const { info } = filter.stream;
    if (filter.stream.ended) return null;
    const direction: Direction = mapType < 2 ? REQUEST : RESPONSE;
    const phase = filter.phases[direction];
    if (mapType === 0) return phase.headersOpen ? info.requestHeaders : null;
    if (mapType === 2) return phase.headersOpen ? info.responseHeaders : null;
    const trailers = mapType === 1 ? info.requestTrailers : info.responseTrailers;
    if (phase.trailersOpen) return trailers;
    if (!phase.inData || !phase.lastData) return null;
    if (trailers !== null) return trailers;
    const made = new Headers();
    if (mapType === 1) info.requestTrailers = made;
    else info.responseTrailers = made;
    filter.chain(direction).trailersAdded();
    return made;
  }

  changed(mapType: number): void {
    if (mapType === 0) this.#filter.stream.clearRouteCache();
  }
}

class BufferRole implements BufferHost {
  readonly #filter: WasmFilter;
  constructor(filter: WasmFilter) {
    this.#filter = filter;
  }

  #buffer(bufferType: number): BodyBuffer | null {
    if (bufferType > 1) return null;
    const direction: Direction = bufferType === 0 ? REQUEST : RESPONSE;
    const phase = this.#filter.phases[direction];
    if (phase.inData) return phase.data ?? this.#filter.chain(direction).suspendedData;
    return phase.stoppedInData ? this.#filter.chain(direction).buffered : null;
  }

  size(bufferType: number): number {
    return this.#buffer(bufferType)?.byteLength ?? -1;
  }

  // biome-ignore lint/complexity/useMaxParams: the role's shape; an object per read would cost more
  copyTo(bufferType: number, start: number, length: number, target: Uint8Array, at: number): void {
    this.#buffer(bufferType)?.copyTo(start, length, target, at);
  }

  splice(bufferType: number, start: number, length: number, data: Uint8Array): boolean {
    const buffer = this.#buffer(bufferType);
    if (buffer === null) return false;
    buffer.splice(start, length, data);
    return true;
  }

  lend(bufferType: number, window: BodyWindow | null): boolean {
    const filter = this.#filter;
    if (bufferType > 1 || filter.destroyed || filter.stream.ended) return false;
    filter.phases[bufferType === 0 ? REQUEST : RESPONSE].lend(window);
    return true;
  }
}

class StreamRole implements StreamHost {
  readonly #filter: WasmFilter;
  constructor(filter: WasmFilter) {
    this.#filter = filter;
  }
  continueRequest(): void {
    this.#filter.resume(REQUEST);
  }
  continueResponse(): void {
    this.#filter.resume(RESPONSE);
  }
  closeStream(): void {
    const { stream } = this.#filter;
    this.#filter.endedBy ??= "reset";
    const isUntold = stream.info.responseCodeDetails === "";
    stream.reset("", isUntold ? "wasm_close_stream" : "");
  }
  sendLocalReply(reply: LocalReply): void {
    const details = reply.details.replaceAll(" ", "_");
    this.#filter.endedBy ??= reply;
    this.#filter.stream.localReply({ ...reply, details, flag: "" });
  }
  failStream(): void {
    this.#filter.endedBy ??= "failure";
    this.#filter.stream.localReply({
      status: 503,
      body: EMPTY,
      headers: [],
      details: "wasm_fail_stream",
      flag: "",
      grpcStatus: 14,
    });
  }
  clearRouteCache(): void {
    this.#filter.stream.clearRouteCache();
  }
  settle(direction: number, status: number): void {
    this.#filter.settle(direction === DIRECTION.request ? REQUEST : RESPONSE, status);
  }
}

function rolesOf(filter: WasmFilter): StreamRoles {
  return {
    kind: "http",
    headers: new HeaderRole(filter),
    buffers: new BufferRole(filter),
    stream: new StreamRole(filter),
    properties: new StreamProperties(filter.stream),
  };
}

/** What an access logger may read of `stream`, which has ended. */
export function endedStreamRoles(stream: FilterStream): StreamRoles {
  return rolesOf(new WasmFilter(stream));
}

/** The filter of `plugin` for `stream`; null when the plugin is left out (failed open). */
export function createWasmFilter(plugin: Plugin, stream: FilterStream): WasmFilter | null {
  const filter = new WasmFilter(stream);
  const context = plugin.createStream(rolesOf(filter));
  if (context === null) return null;
  filter.attach(context);
  return filter;
}
