/**
 * The contexts of one VM (ABI 5.1, 5.3): roots, one for each plugin configuration, and streams, one
 * for each HTTP stream and plugin. A stream's context enters the guest lazily, at its first
 * callback.
 * @hot per-request
 */
import { assert } from "../base/assert.ts";
import { type ContextId, contextId } from "../base/ids.ts";
import type { PluginConfig } from "../config/types.ts";
import { type GuestEntry, notifyGuest, runHttpCallback } from "./callbacks.ts";
import { DIRECTION } from "./current-call.ts";
import type { LocalReply, StreamRoles } from "./roles.ts";
import type { RootContext } from "./root-context.ts";
import { HEADERS_STATUS, type StreamContext } from "./types.ts";

/** What a callback is made for. */
export interface GuestContext {
  readonly id: ContextId;
  readonly root: RootContext;
  /** Itself on a stream, null on a root. */
  readonly stream: HttpStreamContext | null;
}

const CONTEXT_ID_MAX = 0xffffffff;
const NO_ID = contextId(0);

/** Slots to begin with; a power of two, as every later size. */
const SLOTS_MIN = 64;

/**
 * Live contexts by id. Ids start at 1 and are not reused while live. Slot `id & mask` holds the
 * context: since ids are ours to choose, one whose slot is taken is passed over. A Map would do the
 * same at the price of the garbage collector's: each rehash leaves its old table linked to the next
 * one, and from the first table that grew old on all contexts survive until a full collection
 * (docs/perf.md).
 */
export class ContextTable {
  #slots: (GuestContext | null)[] = new Array<GuestContext | null>(SLOTS_MIN).fill(null);
  #mask = SLOTS_MIN - 1;
  #count = 0;
  #lastId: number;

  /** @param lastId the id before the first one, 0..0xffffffff */
  constructor(lastId = 0) {
    this.#lastId = lastId;
  }

  /** A free id. `add` it before the next call. */
  nextId(): ContextId {
    if (this.#count * 2 > this.#mask) this.#grow();
    do this.#lastId = this.#lastId >= CONTEXT_ID_MAX ? 1 : this.#lastId + 1;
    while (this.#slots[(this.#lastId & this.#mask) >>> 0] !== null);
    return contextId(this.#lastId);
  }

  /** `context.id` came from `nextId`. */
  add(context: GuestContext): void {
    const slot = (context.id & this.#mask) >>> 0;
    assert(this.#slots[slot] === null, "the slot of a new context is taken");
    this.#slots[slot] = context;
    this.#count++;
  }

  get(id: number): GuestContext | null {
    const context = this.#slots[(id & this.#mask) >>> 0] as GuestContext | null;
    return context !== null && context.id === id ? context : null;
  }

  remove(id: number): void {
    if (this.get(id) === null) return;
    this.#slots[(id & this.#mask) >>> 0] = null;
    this.#count--;
  }

  get count(): number {
    return this.#count;
  }

  /** Streams that live now, in a list of its own: it may be walked while contexts come and go. */
  streams(): HttpStreamContext[] {
    const streams: HttpStreamContext[] = [];
    for (const context of this.#slots) {
      if (context !== null && context.stream !== null) streams.push(context.stream);
    }
    return streams;
  }

  /** Roots that live now, in a list of its own. */
  roots(): RootContext[] {
    const roots: RootContext[] = [];
    for (const context of this.#slots) {
      if (context !== null && context.stream === null) roots.push(context.root);
    }
    return roots;
  }

  /** Twice the slots: ids that had slots of their own have them still. */
  #grow(): void {
    const before = this.#slots;
    const size = before.length * 2;
    this.#slots = new Array<GuestContext | null>(size).fill(null);
    this.#mask = size - 1;
    for (const context of before) {
      if (context !== null) this.#slots[(context.id & this.#mask) >>> 0] = context;
    }
  }
}

/** `fresh`: unknown to the guest. `ended`: only log, done and delete may follow. */
type StreamPhase = "fresh" | "open" | "ended" | "deleted";

export class HttpStreamContext implements GuestContext, StreamContext {
  id: ContextId = NO_ID;
  readonly root: RootContext;
  readonly stream: HttpStreamContext = this;
  readonly roles: StreamRoles;
  readonly config: PluginConfig;
  /** A connection of a network filter; else a stream of an HTTP filter. */
  readonly isNetwork: boolean;
  /** The policy for a failed VM was applied to this stream. */
  failed = false;
  /** The guest sent a local reply, or one is queued. */
  replied = false;
  /** The guest replaced its reply from that reply's own response callbacks. */
  repliedAgain = false;
  #phase: StreamPhase = "fresh";
  /** Bits of {@link DIRECTION}: halves this plugin holds. */
  #paused = 0;

  constructor(root: RootContext, config: PluginConfig, roles: StreamRoles) {
    this.isNetwork = roles.kind === "tcp";
    this.root = root;
    this.config = config;
    this.roles = roles;
    root.streamBegan();
  }

  /** Whether effects on the stream still make sense. */
  get isOpen(): boolean {
    return this.#phase === "open";
  }

  get isLogging(): boolean {
    return this.#phase === "ended";
  }

  /** Whether StopIteration from a headers callback holds the headers alone (ABI 2.5 rule 4). */
  get mayStopIteration(): boolean {
    return this.config.allowOnHeadersStopIteration || this.root.vm.version === "0.2.100";
  }

  /** A stream that ended before the plugin knew it: an access logger reads it. */
  endForLog(): void {
    this.#phase = "ended";
  }

  enter(): void {
    this.#create("open");
  }

  onRequestHeaders(count: number, endStream: boolean): number {
    this.#create("open");
    const entry = this.root.vm.entries.proxy_on_request_headers;
    return runHttpCallback(this, entry, count, endStream ? 1 : 0);
  }

  onRequestBody(size: number, endStream: boolean): number {
    this.#create("open");
    const entry = this.root.vm.entries.proxy_on_request_body;
    return runHttpCallback(this, entry, size, endStream ? 1 : 0);
  }

  onRequestTrailers(count: number): number {
    this.#create("open");
    return runHttpCallback(this, this.root.vm.entries.proxy_on_request_trailers, count, 0);
  }

  onRequestAborted(): void {
    this.root.vm.coroutines?.requestAborted(this);
  }

  onResponseHeaders(count: number, endStream: boolean): number {
    if (this.#phase !== "open") return HEADERS_STATUS.continue;
    const entry = this.root.vm.entries.proxy_on_response_headers;
    return runHttpCallback(this, entry, count, endStream ? 1 : 0);
  }

  onResponseBody(size: number, endStream: boolean): number {
    if (this.#phase !== "open") return HEADERS_STATUS.continue;
    const entry = this.root.vm.entries.proxy_on_response_body;
    return runHttpCallback(this, entry, size, endStream ? 1 : 0);
  }

  onResponseTrailers(count: number): number {
    if (this.#phase !== "open") return HEADERS_STATUS.continue;
    return runHttpCallback(this, this.root.vm.entries.proxy_on_response_trailers, count, 0);
  }

  /** A callback of a connection; the first one lets the guest know the context. */
  onNetwork(entry: GuestEntry, a: number, b: number): number {
    if (entry.name === "proxy_on_new_connection") this.#create("open");
    if (this.#phase !== "open") return HEADERS_STATUS.continue;
    return runHttpCallback(this, entry, a, b);
  }

  /** Tells of the end of one side of a connection. */
  onNetworkClose(entry: GuestEntry, peer: number): void {
    if (this.#phase === "open" && this.root.vm.running) notifyGuest(this, entry, peer);
  }

  /** A connection is over: done, log, delete, in this order (ABI 2.9). */
  onNetworkEnd(): void {
    const isKnown = this.#phase === "open";
    if (isKnown) {
      this.#end();
      const { vm } = this.root;
      if (vm.running) notifyGuest(this, vm.entries.proxy_on_done, 0);
      if (vm.running) notifyGuest(this, vm.entries.proxy_on_log, 0);
      if (vm.running) notifyGuest(this, vm.entries.proxy_on_delete, 0);
    }
    if (this.#phase !== "deleted") this.#forget();
  }

  onLog(): void {
    if (this.#phase !== "fresh" && this.#phase !== "open") return;
    this.#create("ended");
    this.#end();
    const vm = this.root.vm;
    if (vm.running) notifyGuest(this, vm.entries.proxy_on_log, 0);
  }

  onDestroy(): void {
    if (this.#phase === "deleted") return;
    const known = this.#phase !== "fresh";
    this.#end();
    const vm = this.root.vm;
    if (known && vm.running) notifyGuest(this, vm.entries.proxy_on_done, 0);
    if (known && vm.running) notifyGuest(this, vm.entries.proxy_on_delete, 0);
    this.#forget();
  }

  /** Effects on the stream make no sense any more, and nobody waits for its callbacks. */
  #end(): void {
    this.#phase = "ended";
    this.#paused = 0;
    this.root.vm.coroutines?.streamEnded(this);
  }

  /** The guest has heard the last of it, or will have when its VM is free. */
  #forget(): void {
    const { vm } = this.root;
    if (vm.suspended) {
      vm.coroutines?.afterwards(() => this.#forgotten());
      return;
    }
    this.#forgotten();
  }

  #forgotten(): void {
    if (this.#phase === "deleted") return;
    this.#phase = "deleted";
    this.root.vm.contexts.remove(this.id);
    this.root.streamEnded();
  }

  /** Notes whether a callback of `direction` left its half of the stream held. */
  notePause(direction: number, held: boolean): void {
    if (held) this.#paused |= direction;
    else this.#paused &= ~direction;
  }

  /** Resumes the half of `direction`. */
  resume(direction: number): void {
    if (direction === DIRECTION.request) this.resumeRequest();
    else this.resumeResponse();
  }

  resumeRequest(): void {
    this.#paused &= ~DIRECTION.request;
    this.roles.stream.continueRequest();
  }

  resumeResponse(): void {
    this.#paused &= ~DIRECTION.response;
    this.roles.stream.continueResponse();
  }

  /** Sends the guest's local reply: the stream no longer waits for this plugin. */
  reply(reply: LocalReply): void {
    this.#paused = 0;
    this.roles.stream.sendLocalReply(reply);
  }

  /** Fails the stream by the "closed" policy, once. */
  fail(): void {
    if (this.failed) return;
    this.failed = true;
    this.#paused = 0;
    this.roles.stream.failStream();
  }

  /** The VM died: nothing will wake what this plugin holds. */
  vmDied(): void {
    if (this.#paused === 0 || this.#phase !== "open") return;
    if (this.config.failurePolicy !== "open") {
      this.fail();
      return;
    }
    if ((this.#paused & DIRECTION.request) !== 0) this.resumeRequest();
    if ((this.#paused & DIRECTION.response) !== 0) this.resumeResponse();
  }

  #create(phase: StreamPhase): void {
    if (this.#phase !== "fresh") return;
    this.#phase = phase;
    const vm = this.root.vm;
    if (!vm.running) return;
    this.id = vm.contexts.nextId();
    vm.contexts.add(this);
    notifyGuest(this, vm.entries.proxy_on_context_create, this.root.id);
  }
}
