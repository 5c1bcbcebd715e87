/**
 * Runs the handlers of streams: those that answer at once cost no promise; those that return one
 * leave their half of the stream waiting, and what arrives meanwhile is looked at when they have
 * settled. The handlers of one half never overlap.
 * @hot per-request, per-chunk
 */
import { AssertionError } from "../../base/assert.ts";
import { DATA_STATUS } from "../types.ts";
import type { StreamBase, WaitingHalf } from "./contexts.ts";
import { ContextEndedError } from "./errors.ts";
import {
  CONNECTION_CALLBACKS,
  type HandlerRow,
  STREAM_CALLBACKS,
  type StreamHandlerName,
  statusOf,
  WAITING_STATUS,
} from "./handlers.ts";
import type { BufferBody } from "./headers.ts";
import type { Host } from "./host.ts";
import type { WaitLimit } from "./wait-limit.ts";

/** A handler, bound to its filter. */
type Handler = (ctx: StreamBase, event?: unknown) => unknown;
export type StreamHandlers = Readonly<Partial<Record<StreamHandlerName, Handler>>>;

interface RunnerOptions {
  readonly limit: WaitLimit;
  readonly host: Host;
  readonly handlers: StreamHandlers;
  /** The error as it is told: where it happened in the author's files. */
  trap(error: unknown): unknown;
}

const ALL_CALLBACKS = { ...STREAM_CALLBACKS, ...CONNECTION_CALLBACKS };
const ROWS: Readonly<Record<StreamHandlerName, HandlerRow>> = Object.fromEntries(
  Object.values(ALL_CALLBACKS).map((row) => [row.handler, row]),
) as Record<StreamHandlerName, HandlerRow>;
const BODY: readonly [HandlerRow, HandlerRow] = [ROWS.onRequestBody, ROWS.onResponseBody];
const BYTES: readonly [HandlerRow, HandlerRow] = [ROWS.onDownstreamData, ROWS.onUpstreamData];
const TRAILERS: readonly [HandlerRow, HandlerRow] = [
  ROWS.onRequestTrailers,
  ROWS.onResponseTrailers,
];

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value;
}

class BusyHalf implements WaitingHalf {
  isBusy = true;
  endOfStream = false;
  hasTrailers = false;
  isLookDue = false;
  handler = "";
  deadlineMs = 0;
  readonly #runner: StreamRunner;
  readonly #ctx: StreamBase;
  readonly #which: 0 | 1;

  constructor(runner: StreamRunner, ctx: StreamBase, which: 0 | 1) {
    this.#runner = runner;
    this.#ctx = ctx;
    this.#which = which;
  }

  expire(): void {
    this.#runner.expired(this.#ctx, this.#which, this);
  }
}

export class StreamRunner {
  readonly limit: WaitLimit;
  readonly #host: Host;
  readonly #handlers: StreamHandlers;
  readonly #trap: (error: unknown) => unknown;

  constructor({ host, handlers, limit, trap }: RunnerOptions) {
    this.limit = limit;
    this.#host = host;
    this.#handlers = handlers;
    this.#trap = trap;
  }

  /** A callback of the VM; its status. `a` and `b` are its parameters. */
  onCallback(ctx: StreamBase, row: HandlerRow, a: number, b: number): number {
    const half = ctx.halves[row.half];
    if (half !== null) {
      if (row.kind !== "headers") return this.#arrived(ctx, row, half, a, b);
      // Another response than the one that was waited for: a local reply.
      ctx.halves[row.half] = null;
    }
    const handler = this.#handlers[row.handler];
    if (handler === undefined) return 0;
    const result = handler(ctx, eventOf(row, a, b !== 0));
    return isPromise(result) ? this.#wait(ctx, row, result) : statusOf(row, result);
  }

  /** Something for a half on which a handler waits, or that was left paused. */
  // biome-ignore lint/complexity/useMaxParams: per chunk; an object would be garbage
  #arrived(
    ctx: StreamBase,
    row: HandlerRow,
    half: WaitingHalf,
    size: number,
    endStream: number,
  ): number {
    if (row.kind === "trailers") half.hasTrailers = true;
    else {
      ctx.body(row.half).unseen += size;
      half.endOfStream = endStream !== 0;
    }
    if (!half.isBusy && !half.isLookDue) {
      half.isLookDue = true;
      // What came is not kept before this callback has returned.
      queueMicrotask(() => this.#look(ctx, row.half, half));
    }
    return WAITING_STATUS[row.kind];
  }

  #wait(ctx: StreamBase, row: HandlerRow, promise: PromiseLike<unknown>): number {
    const half = new BusyHalf(this, ctx, row.half);
    ctx.halves[row.half] = half;
    this.#follow(ctx, row, half, promise);
    return WAITING_STATUS[row.kind];
  }

  #follow(
    ctx: StreamBase,
    row: HandlerRow,
    half: WaitingHalf,
    promise: PromiseLike<unknown>,
  ): void {
    const { limit } = this;
    half.handler = row.handler;
    limit.begin(half);
    promise.then(
      (action) => {
        limit.end(half);
        this.#attempt(ctx, row, () => this.#settled(ctx, row, half, action));
      },
      (error) => {
        limit.end(half);
        this.#failed(ctx, row, error);
      },
    );
  }

  /** The handler of `half` has waited for too long. */
  expired(ctx: StreamBase, which: 0 | 1, half: WaitingHalf): void {
    if (ctx.waits.ended || ctx.halves[which] !== half || !half.isBusy) return;
    if (this.#host.gate.giveUp(ctx.id, half.handler) === "passed") ctx.resume(which);
    else ctx.halves[which] = null;
  }

  /** The handler of `row` that waited has decided. */
  #settled(ctx: StreamBase, row: HandlerRow, half: WaitingHalf, action: unknown): void {
    const status = statusOf(row, action);
    if (ctx.waits.ended || ctx.halves[row.half] !== half) return;
    half.isBusy = false;
    const body = ctx.body(row.half);
    if (status === 0) this.#passed(ctx, row, half);
    else if (isData(row)) {
      if (status === DATA_STATUS.stopNoBuffer) body.replace("");
      // The next handler sees all that is kept.
      body.hidden = 0;
    }
    if (ctx.halves[row.half] === half && hasNews(body, half)) this.#look(ctx, row.half, half);
  }

  /** The handler lets go what it has seen; the half goes on unless more has come. */
  #passed(ctx: StreamBase, row: HandlerRow, half: WaitingHalf): void {
    const body = ctx.body(row.half);
    if (isData(row) && hasNews(body, half)) body.hidden += body.size;
    else ctx.resume(row.half);
  }

  /** The handlers see what came while nobody looked: body first, then trailers. */
  #look(ctx: StreamBase, which: 0 | 1, half: WaitingHalf): void {
    half.isLookDue = false;
    const body = ctx.body(which);
    if (ctx.waits.ended || ctx.halves[which] !== half) return;
    if (body.unseen > 0 || half.endOfStream) {
      const { endOfStream } = half;
      body.unseen = 0;
      half.endOfStream = false;
      this.#run(ctx, (ctx.kind === "tcp" ? BYTES : BODY)[which], half, {
        size: body.size,
        endOfStream,
      });
    } else if (half.hasTrailers) {
      half.hasTrailers = false;
      this.#run(ctx, TRAILERS[which], half, undefined);
    }
  }

  /** Runs a handler outside of any callback. */
  #run(ctx: StreamBase, row: HandlerRow, half: WaitingHalf, event: unknown): void {
    this.#attempt(ctx, row, () => {
      half.isBusy = true;
      const result = this.#handlers[row.handler]?.(ctx, event);
      if (isPromise(result)) this.#follow(ctx, row, half, result);
      else this.#settled(ctx, row, half, result);
    });
  }

  /** Runs `step` outside of any callback; its errors fail the VM. */
  #attempt(ctx: StreamBase, row: HandlerRow, step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#failed(ctx, row, error);
    }
  }

  #failed(ctx: StreamBase, row: HandlerRow, error: unknown): void {
    if (error instanceof AssertionError) throw error;
    // The handler was left behind by its stream: there is nothing to fail.
    if (error instanceof ContextEndedError && ctx.waits.ended) return;
    this.#host.gate.fail(ctx.id, row.handler, this.#trap(error));
  }
}

function isData({ kind }: HandlerRow): boolean {
  return kind === "body" || kind === "bytes";
}

function hasNews(body: BufferBody, half: WaitingHalf): boolean {
  return body.unseen > 0 || half.endOfStream || half.hasTrailers;
}

function eventOf(row: HandlerRow, amount: number, endOfStream: boolean): unknown {
  if (row.kind === "headers") return { count: amount, endOfStream };
  return isData(row) ? { size: amount, endOfStream } : undefined;
}
