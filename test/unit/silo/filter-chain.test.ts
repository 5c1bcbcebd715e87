import assert from "node:assert/strict";
import { test } from "node:test";
import type { BodyBuffer } from "../../../src/silo/body-buffer.ts";
import { ChainDirection } from "../../../src/silo/filter-chain.ts";
import {
  type ChainSink,
  type Direction,
  type HttpFilter,
  REQUEST,
} from "../../../src/silo/http-filter.ts";
import { chunk, textOf } from "../../harness/body-texts.ts";

const CONTINUE = 0;
const STOP = 1;
const STOP_ALL_BUFFER = 3;
const STOP_ALL_WATERMARK = 4;
const DATA_BUFFER = 1;
const DATA_WATERMARK = 2;
const DATA_NO_BUFFER = 3;

/** Answers with the scripted statuses in turn, then with Continue, and notes what it saw. */
class Scripted implements HttpFilter {
  readonly seen: string[] = [];
  readonly #headers: number;
  readonly #data: number[];
  readonly #trailers: number;
  onDataHook: ((data: BodyBuffer) => void) | null = null;

  constructor(script: { headers?: number; data?: number[]; trailers?: number } = {}) {
    this.#headers = script.headers ?? CONTINUE;
    this.#data = [...(script.data ?? [])];
    this.#trailers = script.trailers ?? CONTINUE;
  }
  onHeaders(_: Direction, endStream: boolean): number {
    this.seen.push(`headers ${endStream}`);
    return this.#headers;
  }
  onData(_: Direction, data: BodyBuffer, endStream: boolean): number {
    this.seen.push(`data ${textOf(data)} ${endStream}`);
    this.onDataHook?.(data);
    return this.#data.shift() ?? CONTINUE;
  }
  onTrailers(): number {
    this.seen.push("trailers");
    return this.#trailers;
  }
  onLog(): void {}
  onDestroy(): void {}
}

class Sink implements ChainSink {
  readonly seen: string[] = [];
  sinkHeaders(_: Direction, endStream: boolean): void {
    this.seen.push(`headers ${endStream}`);
  }
  sinkData(_: Direction, data: BodyBuffer, endStream: boolean): void {
    this.seen.push(`data ${textOf(data)} ${endStream}`);
    data.clear();
  }
  sinkTrailers(): void {
    this.seen.push("trailers");
  }
  bufferOverflow(): void {
    this.seen.push("overflow");
  }
  bufferHigh(): void {
    this.seen.push("high");
  }
  bufferLow(): void {
    this.seen.push("low");
  }
  unwound(): void {}
}

function chainOf(filters: readonly HttpFilter[], limit = 100) {
  const sink = new Sink();
  const chain = new ChainDirection(REQUEST, sink, limit);
  for (const filter of filters) chain.add(filter);
  return { chain, sink };
}

test("filters that continue see every event once, in order, and the sink gets all of it", () => {
  const a = new Scripted();
  const b = new Scripted();
  const { chain, sink } = chainOf([a, b]);
  chain.headers(false);
  chain.data(chunk("x"), false);
  chain.data(chunk("y"), true);
  const all = ["headers false", "data x false", "data y true"];
  assert.deepEqual([a.seen, b.seen, sink.seen], [all, all, all]);
});

test("a filter stopped for all gets its withheld body in one piece after it resumes", () => {
  for (const status of [STOP_ALL_BUFFER, STOP_ALL_WATERMARK]) {
    const a = new Scripted({ headers: status });
    const { chain, sink } = chainOf([a]);
    chain.headers(false);
    chain.data(chunk("x"), false);
    chain.data(chunk("y"), true);
    assert.deepEqual(a.seen, ["headers false"]);
    assert.deepEqual(sink.seen, []);
    chain.resume(a);
    assert.deepEqual(a.seen, ["headers false", "data xy true"]);
    assert.deepEqual(sink.seen, ["headers false", "data xy true"]);
  }
});

test("a stopped headers-only message ends with its headers after the resume", () => {
  const a = new Scripted({ headers: STOP_ALL_WATERMARK });
  const { chain, sink } = chainOf([a]);
  chain.headers(true);
  chain.resume(a);
  assert.deepEqual(sink.seen, ["headers true"]);
});

test("headers held by StopIteration go out when the body callback continues", () => {
  const a = new Scripted({ headers: STOP, data: [DATA_BUFFER, CONTINUE] });
  const { chain, sink } = chainOf([a]);
  chain.headers(false);
  chain.data(chunk("x"), false);
  assert.deepEqual(sink.seen, []);
  chain.data(chunk("y"), true);
  assert.deepEqual(a.seen, ["headers false", "data x false", "data y true"]);
  assert.deepEqual(sink.seen, ["headers false", "data xy true"]);
});

test("data stopped at its end waits for the resume and does not come back to the same filter", () => {
  const a = new Scripted({ data: [DATA_BUFFER] });
  const { chain, sink } = chainOf([a]);
  chain.headers(false);
  chain.data(chunk("x"), true);
  assert.deepEqual(sink.seen, ["headers false"]);
  chain.resume(a);
  assert.deepEqual(a.seen, ["headers false", "data x true"]);
  assert.deepEqual(sink.seen, ["headers false", "data x true"]);
});

test("StopIterationNoBuffer drops the chunk but keeps the end of the stream", () => {
  const a = new Scripted({ data: [DATA_NO_BUFFER] });
  const { chain, sink } = chainOf([a]);
  chain.headers(false);
  chain.data(chunk("x"), true);
  chain.resume(a);
  assert.deepEqual(sink.seen, ["headers false", "data  true"]);
});

test("a second filter that stops keeps what the first let pass, and trailers wait behind it", () => {
  const a = new Scripted();
  const b = new Scripted({ data: [DATA_BUFFER] });
  const { chain, sink } = chainOf([a, b]);
  chain.headers(false);
  chain.data(chunk("x"), false);
  chain.trailers();
  assert.deepEqual(b.seen, ["headers false", "data x false", "trailers"]);
  assert.deepEqual(sink.seen, ["headers false", "data x false", "trailers"]);
});

test("trailers stopped by a filter are sent on resume", () => {
  const a = new Scripted({ trailers: STOP });
  const { chain, sink } = chainOf([a]);
  chain.headers(false);
  chain.trailers();
  assert.deepEqual(sink.seen, ["headers false"]);
  chain.resume(a);
  assert.deepEqual(sink.seen, ["headers false", "trailers"]);
});

test("a filter that adds trailers in its last data callback moves the end behind the data", () => {
  const a = new Scripted();
  const b = new Scripted();
  const { chain, sink } = chainOf([a, b]);
  a.onDataHook = () => chain.trailersAdded();
  chain.headers(false);
  chain.data(chunk("x"), true);
  assert.deepEqual(b.seen, ["headers false", "data x false", "trailers"]);
  assert.deepEqual(sink.seen, ["headers false", "data x false", "trailers"]);
});

test("a buffer over its limit overflows when buffering and pauses the source when watermarking", () => {
  const a = new Scripted({ data: [DATA_BUFFER, DATA_BUFFER] });
  const buffering = chainOf([a], 3);
  buffering.chain.headers(false);
  buffering.chain.data(chunk("abc"), false);
  assert.deepEqual(buffering.sink.seen, ["headers false"]);
  buffering.chain.data(chunk("d"), false);
  assert.deepEqual(buffering.sink.seen, ["headers false", "overflow"]);

  const b = new Scripted({ data: [DATA_WATERMARK] });
  const { chain, sink } = chainOf([b], 3);
  chain.headers(false);
  chain.data(chunk("abcd"), false);
  assert.deepEqual(sink.seen, ["headers false", "high"]);
  chain.resume(b);
  assert.deepEqual(sink.seen, ["headers false", "high", "data abcd false", "low"]);
});

test("nothing passes an aborted chain, and its buffer is released", () => {
  const a = new Scripted({ data: [DATA_BUFFER] });
  const { chain, sink } = chainOf([a]);
  const held = chunk("x");
  chain.headers(false);
  chain.data(held, false);
  assert.equal(held.references, 2);
  chain.abort();
  assert.equal(held.references, 1);
  chain.data(chunk("y"), true);
  chain.resume(a);
  assert.deepEqual(sink.seen, ["headers false"]);
});

test("a resume of a filter that is not stopped changes nothing", () => {
  const a = new Scripted();
  const { chain, sink } = chainOf([a]);
  chain.headers(false);
  chain.resume(a);
  assert.deepEqual(sink.seen, ["headers false"]);
});
