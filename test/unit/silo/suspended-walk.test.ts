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
import { SUSPENDED } from "../../../src/vm/types.ts";
import { chunk, textOf } from "../../harness/body-texts.ts";

const CONTINUE = 0;
const STOP = 1;
const STOP_ALL = 4;
const BUFFER = 1;

interface Script {
  readonly headers?: number[];
  readonly data?: number[];
  readonly trailers?: number[];
}

/** Notes events; in each kind it answers with the scripted statuses in turn, then with Continue. */
class Scripted implements HttpFilter {
  readonly #name: string;
  readonly #seen: string[];
  readonly #script: Script;
  onDataHook: (end: boolean) => void = () => undefined;

  constructor(name: string, seen: string[], script: Script = {}) {
    this.#name = name;
    this.#seen = seen;
    this.#script = script;
  }
  onHeaders(_: Direction, endStream: boolean): number {
    this.#seen.push(`${this.#name} headers ${endStream}`);
    return this.#script.headers?.shift() ?? CONTINUE;
  }
  onData(_: Direction, data: BodyBuffer, endStream: boolean): number {
    this.#seen.push(`${this.#name} data ${textOf(data)} ${endStream}`);
    this.onDataHook(endStream);
    return this.#script.data?.shift() ?? CONTINUE;
  }
  onTrailers(): number {
    this.#seen.push(`${this.#name} trailers`);
    return this.#script.trailers?.shift() ?? CONTINUE;
  }
  onLog(): void {}
  onDestroy(): void {}
}

class Sink implements ChainSink {
  readonly #seen: string[];
  constructor(seen: string[]) {
    this.#seen = seen;
  }
  sinkHeaders(_: Direction, endStream: boolean): void {
    this.#seen.push(`sink headers ${endStream}`);
  }
  sinkData(_: Direction, data: BodyBuffer, endStream: boolean): void {
    this.#seen.push(`sink data ${textOf(data)} ${endStream}`);
    data.clear();
  }
  sinkTrailers(): void {
    this.#seen.push("sink trailers");
  }
  bufferOverflow(): void {
    this.#seen.push("overflow");
  }
  bufferHigh(): void {
    this.#seen.push("high");
  }
  bufferLow(): void {
    this.#seen.push("low");
  }
  unwound(): void {}
}

/** Filters a, b, ... with these scripts; `seen` holds the events of all of them in order. */
function chainOf(scripts: readonly Script[], limit = 100) {
  const seen: string[] = [];
  const chain = new ChainDirection(REQUEST, new Sink(seen), limit);
  const filters = scripts.map((script, i) => new Scripted("abc"[i] ?? "", seen, script));
  for (const filter of filters) chain.add(filter);
  /** What was seen since the last call. */
  const news = (): string[] => seen.splice(0);
  return { chain, filters, news };
}

/** Sends headers, a body in two parts and, by choice, trailers. */
function send(chain: ChainDirection, end: "data" | "trailers"): void {
  chain.headers(false);
  chain.data(chunk("x"), false);
  chain.data(chunk("y"), end === "data");
  if (end === "trailers") chain.trailers();
}

test("what arrives while headers are suspended follows them in order once they are answered", () => {
  const { chain, filters, news } = chainOf([{}, { headers: [SUSPENDED] }]);
  send(chain, "trailers");
  assert.deepEqual(news(), ["a headers false", "b headers false"]);
  chain.settle(filters[1] as Scripted, CONTINUE);
  assert.deepEqual(news(), [
    "sink headers false",
    "a data xy false",
    "b data xy false",
    "sink data xy false",
    "a trailers",
    "b trailers",
    "sink trailers",
  ]);
});

test("the end of the body stays an event of its own", () => {
  const { chain, filters, news } = chainOf([{ headers: [SUSPENDED] }]);
  chain.headers(false);
  chain.codecData(chunk("x"), true);
  news();
  chain.settle(filters[0] as Scripted, CONTINUE);
  assert.deepEqual(news(), [
    "sink headers false",
    "a data x false",
    "sink data x false",
    "a data  true",
    "sink data  true",
  ]);
});

test("headers that turn out to stop for all keep what arrived until the filter resumes", () => {
  const { chain, filters, news } = chainOf([{ headers: [SUSPENDED] }]);
  const [a] = filters as [Scripted];
  send(chain, "data");
  chain.settle(a, STOP_ALL);
  assert.deepEqual(news(), ["a headers false"]);
  chain.resume(a);
  assert.deepEqual(news(), ["sink headers false", "a data xy true", "sink data xy true"]);
});

test("headers that turn out to stop alone let the body come to the filter", () => {
  const { chain, filters, news } = chainOf([{ headers: [SUSPENDED], data: [BUFFER] }]);
  const [a] = filters as [Scripted];
  send(chain, "data");
  chain.settle(a, STOP);
  assert.deepEqual(news(), ["a headers false", "a data xy true"]);
  chain.resume(a);
  assert.deepEqual(news(), ["sink headers false", "sink data xy true"]);
});

test("a suspended body callback keeps its bytes, and later bytes come after its answer", () => {
  const { chain, filters, news } = chainOf([{ data: [SUSPENDED] }, {}]);
  const [a] = filters as [Scripted, Scripted];
  chain.headers(false);
  chain.data(chunk("x"), false);
  assert.equal(textOf(chain.suspendedData as BodyBuffer), "x");
  chain.data(chunk("y"), true);
  news();
  chain.settle(a, CONTINUE);
  assert.deepEqual(news(), [
    "b data x false",
    "sink data x false",
    "a data y true",
    "b data y true",
    "sink data y true",
  ]);
  assert.equal(chain.suspendedData, null);
});

test("a suspended body callback that stops and buffers is shown what came later", () => {
  const { chain, filters, news } = chainOf([{ data: [SUSPENDED] }]);
  const [a] = filters as [Scripted];
  chain.headers(false);
  chain.data(chunk("x"), false);
  chain.data(chunk("y"), true);
  news();
  chain.settle(a, BUFFER);
  assert.deepEqual(news(), ["a data y true", "sink data xy true"]);
});

test("filters behind see trailers that a suspended body callback made", () => {
  const { chain, filters, news } = chainOf([{}, { data: [SUSPENDED] }, {}]);
  const [a, b] = filters as [Scripted, Scripted];
  a.onDataHook = (end) => {
    if (end) chain.trailersAdded();
  };
  chain.headers(false);
  chain.data(chunk("x"), true);
  news();
  chain.settle(b, CONTINUE);
  assert.deepEqual(news(), [
    "c data x false",
    "sink data x false",
    "b trailers",
    "c trailers",
    "sink trailers",
  ]);
  const own = chainOf([{ data: [SUSPENDED] }, {}]);
  own.chain.headers(false);
  own.chain.data(chunk("x"), true);
  own.chain.trailersAdded();
  own.news();
  own.chain.settle(own.filters[0] as Scripted, CONTINUE);
  assert.deepEqual(own.news(), [
    "b data x false",
    "sink data x false",
    "b trailers",
    "sink trailers",
  ]);
});

test("suspended trailers go on, or stop, by their answer", () => {
  for (const status of [CONTINUE, STOP]) {
    const { chain, filters, news } = chainOf([{ trailers: [SUSPENDED] }, {}]);
    const [a] = filters as [Scripted];
    send(chain, "trailers");
    news();
    chain.settle(a, status);
    assert.deepEqual(news(), status === CONTINUE ? ["b trailers", "sink trailers"] : []);
    chain.resume(a);
    assert.deepEqual(news(), status === CONTINUE ? [] : ["b trailers", "sink trailers"]);
  }
});

test("two filters that suspend one after the other lose nothing", () => {
  const suspendsOnce = () => ({ headers: [SUSPENDED], data: [SUSPENDED], trailers: [SUSPENDED] });
  const { chain, filters, news } = chainOf([suspendsOnce(), suspendsOnce()]);
  const [a, b] = filters as [Scripted, Scripted];
  send(chain, "trailers");
  for (const filter of [a, b, a, b, a, b]) chain.settle(filter, CONTINUE);
  assert.deepEqual(news(), [
    "a headers false",
    "b headers false",
    "sink headers false",
    "a data xy false",
    "b data xy false",
    "sink data xy false",
    "a trailers",
    "b trailers",
    "sink trailers",
  ]);
});

test("what a resumed filter held waits while a filter behind it is suspended in the headers", () => {
  const { chain, filters, news } = chainOf([
    { headers: [STOP_ALL] },
    { headers: [SUSPENDED], data: [SUSPENDED] },
  ]);
  const [a, b] = filters as [Scripted, Scripted];
  send(chain, "trailers");
  chain.resume(a);
  assert.deepEqual(news(), ["a headers false", "b headers false"]);
  chain.settle(b, CONTINUE);
  assert.deepEqual(news(), ["sink headers false", "a data xy false", "b data xy false"]);
  chain.settle(b, CONTINUE);
  assert.deepEqual(news(), ["sink data xy false", "a trailers", "b trailers", "sink trailers"]);
});

test("a filter that resumes while another is suspended goes on after the answer", () => {
  const { chain, filters, news } = chainOf([{ data: [SUSPENDED] }, { headers: [STOP] }]);
  const [a, b] = filters as [Scripted, Scripted];
  chain.headers(false);
  chain.data(chunk("x"), true);
  news();
  chain.resume(b);
  assert.deepEqual(news(), []);
  chain.settle(a, CONTINUE);
  assert.deepEqual(news(), ["b data x true", "sink headers false", "sink data x true"]);
});

test("too much that arrives while a filter is suspended stops the source until it is passed on", () => {
  const { chain, filters, news } = chainOf([{ headers: [SUSPENDED] }], 4);
  const [a] = filters as [Scripted];
  chain.headers(false);
  chain.data(chunk("xxxx"), false);
  assert.deepEqual(news(), ["a headers false"]);
  chain.data(chunk("yy"), false);
  assert.deepEqual(news(), ["high"]);
  chain.settle(a, CONTINUE);
  assert.deepEqual(news(), [
    "sink headers false",
    "a data xxxxyy false",
    "sink data xxxxyy false",
    "low",
  ]);
});

test("an aborted direction does nothing more when the answer comes, and lets its bytes go", () => {
  const { chain, filters, news } = chainOf([{ data: [SUSPENDED] }]);
  const [a] = filters as [Scripted];
  chain.headers(false);
  const kept = chunk("x");
  const later = chunk("y");
  chain.data(kept, false);
  chain.data(later, true);
  news();
  chain.abort();
  chain.settle(a, CONTINUE);
  assert.deepEqual(news(), []);
  assert.equal(chain.suspendedData, null);
});

test("the answer of a filter that is not suspended changes nothing", () => {
  const { chain, filters, news } = chainOf([{ headers: [SUSPENDED] }, {}]);
  const [, b] = filters as [Scripted, Scripted];
  chain.headers(true);
  news();
  chain.settle(b, CONTINUE);
  assert.deepEqual(news(), []);
});
