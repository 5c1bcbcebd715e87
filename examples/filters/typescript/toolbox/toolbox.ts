/**
 * The conformance filter for the null engine: what the request header `x-test` asks for, as the
 * Rust, Go and AssemblyScript toolboxes do it. test/conformance/expectations.ts says what a client
 * and an upstream then see.
 */
import type { Action, Body, BodyEvent, Filter, Headers, HttpContext, RootContext } from "granary";
import { OF_REQUEST, OF_RESPONSE, type PropertyRow, readProperty } from "./properties.ts";

interface Toolbox {
  test: string;
  /** Headers that the response gets, found out while the request went by. */
  findings: [name: string, value: string][];
  requestBodyBegun: boolean;
  responseBodyBegun: boolean;
}
type Ctx = HttpContext<Partial<Toolbox>>;

const TICK_MS = 100;
/** Streams that wait for the next tick. */
let waiting: { readonly ctx: Ctx; wake(): void }[] = [];

function found(ctx: Ctx, name: string, value: unknown): void {
  ctx.state.findings?.push([name, String(value)]);
}

function waitForTick(ctx: Ctx, wake: () => void): Action {
  waiting.push({ ctx, wake });
  return "pause";
}

function reply(ctx: Ctx, from: string): Action {
  ctx.sendLocalResponse(418, { headers: { "x-reply": from }, body: `reply from ${from}` });
  return "pause";
}

function edit(headers: Headers): void {
  headers.add("x-added", "one");
  headers.add("x-added", "two");
  headers.set("x-replace", "new");
  headers.set("x-replace-absent", "set");
  headers.delete("x-remove");
}

function readProperties(ctx: Ctx, rows: readonly PropertyRow[]): void {
  for (const row of rows) found(ctx, `x-prop-${row.name}`, readProperty(ctx.properties, row));
}

function useMetrics(ctx: Ctx): void {
  const counter = ctx.metrics.counter("toolbox_counter");
  const gauge = ctx.metrics.gauge("toolbox_gauge");
  const before = counter.value();
  counter.increment(3);
  found(ctx, "x-counter-added", counter.value() - before);
  gauge.set(40);
  gauge.add(5);
  gauge.add(-3);
  ctx.metrics.histogram("toolbox_histogram").record(7);
  found(ctx, "x-gauge", gauge.value());
}

function requestPairs(ctx: Ctx, count: number): void {
  const pairs = ctx.request.headers.entries();
  found(ctx, "x-pairs", pairs.length === count);
  const kept = pairs.filter(([name]) => name !== "x-remove");
  ctx.request.headers.setAll([...kept, ["x-added", "by-pairs"]]);
}

/** The body in capitals, between square brackets. */
function rewritten(body: Body): string {
  return `[${body.text().toUpperCase()}]`;
}

/** What the body cases do, for either half. */
function changeBody(body: Body, what: string, event: BodyEvent, isFirst: boolean): Action {
  if (what === "body") {
    if (!event.endOfStream) return "pause";
    body.replace(rewritten(body));
  } else if (what === "body-append" && event.endOfStream) body.append("-tail");
  else if (what === "body-prepend" && isFirst) body.prepend("head-");
  return "continue";
}

function startPlugin(root: RootContext): boolean {
  if (root.configuration === "panic") throw new Error("toolbox: trap in onConfigure");
  root.setTick(TICK_MS);
  return root.configuration !== "reject";
}

const REQUEST_CASES: Readonly<Record<string, (ctx: Ctx, count: number) => Action | undefined>> = {
  "request-headers": (ctx) => void edit(ctx.request.headers),
  "request-line": ({ request: { headers } }) => {
    headers.set(":path", "/rewritten?by=toolbox");
    headers.set(":authority", "rewritten.example");
    headers.set(":method", "PUT");
    return "continue";
  },
  "request-body": (ctx) => void ctx.request.headers.delete("content-length"),
  "request-body-append": (ctx) => void ctx.request.headers.delete("content-length"),
  "request-body-prepend": (ctx) => void ctx.request.headers.delete("content-length"),
  "request-pairs": (ctx, count) => void requestPairs(ctx, count),
  "reply-request-headers": (ctx) => reply(ctx, "request-headers"),
  "reply-tick": (ctx) => waitForTick(ctx, () => reply(ctx, "tick")),
  "pause-tick": (ctx) =>
    waitForTick(ctx, () => {
      ctx.request.headers.add("x-resumed", "tick");
      ctx.continueRequest();
    }),
  "panic-request-headers": () => {
    throw new Error("toolbox: trap in request headers");
  },
  "close-stream": (ctx) => {
    ctx.resetStream();
    return "pause";
  },
  properties: (ctx) => void readProperties(ctx, OF_REQUEST),
  config: (ctx) => {
    found(ctx, "x-config", ctx.root.configuration);
    found(ctx, "x-vm-config", ctx.root.vmConfiguration);
    return "continue";
  },
  metrics: (ctx) => void useMetrics(ctx),
  "set-property": (ctx) => void ctx.properties.set("x", "kept for the response"),
  "shared-data": (ctx) => {
    const { sharedData } = ctx;
    sharedData.set("toolbox", "one");
    const read = sharedData.get("toolbox");
    const cas = read?.cas ?? 0;
    const stale = sharedData.set("toolbox", "stale", cas + 1);
    const fresh = sharedData.set("toolbox", "two", cas);
    found(ctx, "x-shared-data", read?.text() ?? "");
    found(ctx, "x-shared-stale", stale ? "accepted" : "refused");
    found(ctx, "x-shared-fresh", fresh ? "accepted" : "refused");
    found(ctx, "x-shared-absent", sharedData.get("toolbox-absent") ? "there" : "absent");
    return "continue";
  },
  queue: (ctx) => {
    const { queues } = ctx;
    const queue = queues.register("toolbox-queue");
    queues.enqueue(queue, "item");
    found(ctx, "x-queue-item", Buffer.from(queues.dequeue(queue) ?? []).toString());
    found(ctx, "x-queue-then", queues.dequeue(queue) === null ? "empty" : "another");
    const same = queues.resolve("toolbox-vm", "toolbox-queue") === queue;
    found(ctx, "x-queue-found", same ? "same" : "other");
    const unknown = queues.resolve("toolbox-vm", "toolbox-unknown");
    found(ctx, "x-queue-unknown", unknown === null ? "absent" : "there");
    return "continue";
  },
  "empty-header": (ctx) => {
    for (const name of ["x-empty", "x-absent"]) {
      found(ctx, `${name}-is`, ctx.request.headers.has(name) ? "there" : "absent");
    }
    return "continue";
  },
  time: (ctx) => void found(ctx, "x-year-2020-or-later", ctx.now() > 1_577_836_800_000_000_000n),
  "log-levels": ({ log }) => {
    log.trace("toolbox says trace");
    log.debug("toolbox says debug");
    log.info("toolbox says info");
    log.warn("toolbox says warn");
    log.error("toolbox says error");
    log.critical("toolbox says critical");
    return "continue";
  },
};

function responseHeaders(ctx: Ctx, count: number): Action {
  const { headers } = ctx.response;
  const { test = "" } = ctx.state;
  if (test === "panic-response-headers") throw new Error("toolbox: trap in response headers");
  if (test === "response-headers") edit(headers);
  else if (test === "response-status") headers.set(":status", "203");
  else if (test.startsWith("response-body")) headers.delete("content-length");
  else if (test === "properties") readProperties(ctx, OF_RESPONSE);
  else if (test === "set-property") found(ctx, "x-prop-x", ctx.properties.text("x"));
  else if (test === "response-pairs") {
    found(ctx, "x-pairs", headers.entries().length === count);
    headers.setAll({ ":status": "202", "x-only": "yes" });
  } else if (test === "reply-response-headers" && !headers.has("x-reply")) {
    // The reply must not be answered by another reply.
    return reply(ctx, "response-headers");
  }
  headers.add("x-toolbox", "typescript");
  for (const [name, value] of ctx.state.findings ?? []) headers.add(name, value);
  ctx.state.findings = [];
  if (test !== "pause-response-tick") return "continue";
  return waitForTick(ctx, () => {
    headers.add("x-resumed", "tick");
    ctx.continueResponse();
  });
}

export default {
  onVmStart: (root) => root.vmConfiguration !== "reject",
  onConfigure: startPlugin,

  onTick(root) {
    root.metrics.gauge("toolbox_ticks").add(1);
    const woken = waiting;
    waiting = [];
    for (const { wake } of woken) wake();
  },

  onRequestHeaders(ctx, { count }) {
    const test = ctx.request.headers.get("x-test") ?? "";
    ctx.state = { test, findings: [], requestBodyBegun: false, responseBodyBegun: false };
    ctx.metrics.counter("toolbox_requests").increment();
    return REQUEST_CASES[test]?.(ctx, count);
  },

  onRequestBody(ctx, event) {
    const { test = "", requestBodyBegun } = ctx.state;
    ctx.state.requestBodyBegun = true;
    if (test === "reply-request-body") return reply(ctx, "request-body");
    if (test === "panic-request-body") throw new Error("toolbox: trap in request body");
    if (test === "pause-body-tick") {
      return event.endOfStream ? waitForTick(ctx, () => ctx.continueRequest()) : "pause";
    }
    if (!test.startsWith("request-")) return "continue";
    const what = test.slice("request-".length);
    return changeBody(ctx.request.body, what, event, requestBodyBegun !== true);
  },

  onResponseHeaders: (ctx, { count }) => responseHeaders(ctx, count),

  onResponseBody(ctx, event) {
    const { test = "", responseBodyBegun } = ctx.state;
    ctx.state.responseBodyBegun = true;
    if (test === "panic-response-body") throw new Error("toolbox: trap in response body");
    if (!test.startsWith("response-")) return "continue";
    const what = test.slice("response-".length);
    return changeBody(ctx.response.body, what, event, responseBodyBegun !== true);
  },

  onLog(ctx) {
    if (ctx.state.test === "panic-log") throw new Error("toolbox: trap in log");
    if (ctx.state.test !== "log") return;
    const code = ctx.properties.number("response", "code");
    const path = ctx.properties.text("request", "path");
    const status = ctx.response.headers.get(":status");
    ctx.log.info(`toolbox log code=${code} path=${path} status=${status}`);
  },

  onDone(ctx) {
    // A stream that ended while it was paused must not be touched by the next tick.
    waiting = waiting.filter((other) => other.ctx !== ctx);
  },
} satisfies Filter<Partial<Toolbox>>;
