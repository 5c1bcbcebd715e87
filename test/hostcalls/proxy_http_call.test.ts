import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LIMITS } from "../../src/base/limits.ts";
import { HeaderMap } from "../../src/http/header-map.ts";
import { Caller, callWire, httpCall, type Pairs, REQUEST } from "./callout-args.ts";
import { ENDED_PHASES, type Guest, inPhase, OUTSIDE_PTR, type Result } from "./guest.ts";

const without = (name: string): Pairs => REQUEST.filter(([key]) => key !== name);

describe("proxy_http_call works", () => {
  it("sends what the guest gave and answers on the root context", () => {
    const caller = new Caller();
    const id = caller.call({ body: "question", trailers: [["X-End", "1"]], timeoutMs: 250 });
    const { request } = caller.started();
    assert.equal(request.cluster, "known");
    assert.deepEqual(request.headers.entries(), [...REQUEST, ["content-length", "8"]]);
    assert.equal(Buffer.from(request.body).toString(), "question");
    assert.deepEqual(request.trailers?.entries(), [["x-end", "1"]]);
    assert.equal(request.timeoutMs, 250);
    caller.started().reply("200", "answer", HeaderMap.of([["x-t", "1"]]));
    assert.deepEqual(caller.heard, [[caller.guest.root.id, id, 2, 6, 1]]);
  });

  it("shows the answer's maps and body in the callback, and only there", () => {
    const caller = new Caller();
    caller.call();
    const look = (guest: Guest): readonly Result[] => [
      guest.fetch("proxy_get_header_map_value", 6, ...guest.put(":status")),
      guest.fetch("proxy_get_header_map_value", 7, ...guest.put("x-t")),
      guest.fetch("proxy_get_buffer_bytes", 4, 0, 100),
    ];
    let inside: readonly Result[] = [];
    let outside: readonly Result[] = [];
    caller.guest.on("proxy_on_http_call_response", (guest) => {
      inside = look(guest);
      return undefined;
    });
    caller.started().reply("201", "answer", HeaderMap.of([["x-t", "end"]]));
    caller.inTick((guest) => {
      outside = look(guest);
    });
    assert.deepEqual(
      inside.map(({ text }) => text),
      ["201", "end", "answer"],
    );
    assert.deepEqual(
      outside.map(({ status }) => status),
      [2, 2, 1],
    );
  });

  it("shows them also when the guest acts on the stream that asked", () => {
    const caller = new Caller();
    const context = caller.guest.open();
    let id = 0;
    caller.guest.on("proxy_on_request_headers", (guest) => {
      id = httpCall(guest)[1] ?? 0;
      return 1;
    });
    context.onRequestHeaders(1, true);
    let status: string | null = "";
    caller.guest.on("proxy_on_http_call_response", (guest) => {
      assert.equal(guest.call("proxy_set_effective_context", context.id), 0);
      status = guest.fetch("proxy_get_header_map_value", 6, ...guest.put(":status")).text;
      assert.equal(guest.call("proxy_continue_stream", 0), 0);
      return undefined;
    });
    caller.started().reply("200");
    assert.equal(status, "200");
    assert.ok(id > 0);
    assert.deepEqual((context.roles as unknown as { calls: string[] }).calls, ["continueRequest"]);
  });

  it("gives several calls ids of their own, multiples of four", () => {
    const caller = new Caller();
    const ids = [caller.call(), caller.call(), caller.call()];
    assert.deepEqual(ids, [4, 8, 12]);
    caller.started(1).reply("200");
    caller.started(0).reply("200");
    assert.deepEqual(
      caller.heard.map((wire) => wire[1]),
      [8, 4],
    );
  });

  it("answers after the stream has gone", () => {
    const caller = new Caller();
    const context = caller.guest.open();
    caller.guest.on("proxy_on_request_headers", (guest) => {
      httpCall(guest);
      return 1;
    });
    context.onRequestHeaders(1, true);
    context.onLog();
    context.onDestroy();
    caller.started().reply("200");
    assert.equal(caller.heard.length, 1);
  });

  it("takes host for :authority", () => {
    const caller = new Caller();
    caller.call({ headers: [...without(":authority"), ["Host", "a.example"]] });
    assert.equal(caller.started().request.headers.get(":authority"), "a.example");
  });
});

describe("proxy_http_call misuse", () => {
  const refused = (parts: Parameters<typeof callWire>[1]): number =>
    inPhase("proxy_on_request_headers", (guest) => httpCall(guest, parts)[0]);

  it("answers BadArgument for an upstream that nobody knows", () => {
    assert.equal(refused({ upstream: "unknown" }), 2);
  });

  it("answers BadArgument when a pseudo-header is missing, empty or not one word", () => {
    for (const [name] of REQUEST) {
      assert.equal(refused({ headers: without(name) }), 2, name);
      assert.equal(refused({ headers: [...without(name), [name, ""]] }), 2, name);
      assert.equal(refused({ headers: [...without(name), [name, "a b"]] }), 2, name);
    }
  });

  it("answers BadArgument for a negative timeout", () => {
    assert.equal(refused({ timeoutMs: -1 }), 2);
  });

  it("answers BadArgument for headers that are no pairs", () => {
    assert.equal(refused({ block: Buffer.from("abcdefgh") }), 2);
  });

  it("answers InternalFailure when the call cannot be started, and says nothing later", () => {
    const caller = new Caller();
    caller.inTick((guest) => assert.deepEqual(httpCall(guest, { upstream: "down" }), [10, 0]));
    assert.equal(caller.guest.vm.callouts.count, 0);
    assert.equal(caller.guest.root.calloutCount, 0);
    assert.deepEqual(caller.heard, []);
  });

  it("answers InvalidMemoryAccess when the id cannot be written, and starts nothing", () => {
    const caller = new Caller();
    caller.inTick((guest) => {
      assert.equal(guest.call("proxy_http_call", ...callWire(guest), OUTSIDE_PTR), 6);
    });
    assert.equal(caller.guest.thread.callouts.calls.length, 0);
  });

  it("leaves out fields that would break the request's framing", () => {
    const caller = new Caller();
    const bad: Pairs = [
      ["connection", "close"],
      ["transfer-encoding", "chunked"],
      ["content-length", "99"],
      ["te", "gzip"],
      ["x-line", "a\r\nb: c"],
      ["bad name", "x"],
      ["x-good", "1"],
    ];
    caller.call({ headers: [...REQUEST, ...bad], trailers: [[":path", "/other"]] });
    const { request } = caller.started();
    assert.deepEqual(request.headers.entries(), [...REQUEST, ["x-good", "1"]]);
    assert.equal(request.trailers, null);
  });

  it("refuses more callouts than a plugin may have, and counts it", () => {
    const caller = new Caller();
    caller.inTick((guest) => {
      const wire = callWire(guest);
      const out = guest.out();
      for (let i = 0; i < LIMITS.calloutsCount; i++) {
        assert.equal(guest.call("proxy_http_call", ...wire, out), 0);
      }
      assert.equal(guest.call("proxy_http_call", ...wire, out), 10);
    });
    assert.equal(caller.guest.thread.callouts.refusedCount, 1);
    caller.started(0).reply("200");
    assert.ok(caller.call() > 0);
  });
});

describe("proxy_http_call in the wrong phase", () => {
  it("answers BadArgument at start-up, where no root exists", () => {
    assert.equal(
      inPhase("startUp", (guest) => httpCall(guest)[0]),
      2,
    );
  });

  it("works from configure, and after a stream has ended", () => {
    for (const phase of ["proxy_on_vm_start", "proxy_on_configure", ...ENDED_PHASES] as const) {
      assert.equal(
        inPhase(phase, (guest) => httpCall(guest)[0]),
        0,
        phase,
      );
    }
  });
});

describe("proxy_http_call edges", () => {
  it("keeps an answer that comes in the middle of the call until the callback has returned", () => {
    const caller = new Caller();
    caller.guest.thread.callouts.onStart = (call) => call.reply("200");
    const order: string[] = [];
    caller.guest.on("proxy_on_http_call_response", () => {
      order.push("answer");
      return undefined;
    });
    caller.inTick((guest) => {
      assert.equal(httpCall(guest)[0], 0);
      order.push("started");
    });
    assert.deepEqual(order, ["started", "answer"]);
  });

  it("shows a failure as zeros, empty maps, no body and the status 11", () => {
    const caller = new Caller();
    const id = caller.call();
    const seen: unknown[] = [];
    caller.guest.on("proxy_on_http_call_response", (guest, wire) => {
      seen.push(...wire.slice(1));
      seen.push(guest.fetch("proxy_get_header_map_pairs", 6).text);
      seen.push(guest.fetch("proxy_get_header_map_value", 6, ...guest.put(":status")).status);
      seen.push(guest.fetch("proxy_get_buffer_bytes", 4, 0, 9).status);
      const code = guest.out();
      seen.push(guest.fetch("proxy_get_status", code).text, guest.u32(code));
      return undefined;
    });
    caller.events().onHttpFailure();
    assert.deepEqual(seen, [id, 0, 0, 0, "", 1, 1, "reset", 11]);
  });

  it("is cancelled when the plugin ends", () => {
    const caller = new Caller();
    caller.call();
    caller.guest.root.finish(() => undefined);
    assert.ok(caller.started().cancelled);
    caller.started().reply("200");
    assert.deepEqual(caller.heard, []);
    assert.equal(caller.guest.vm.callouts.count, 0);
  });

  it("goes on while the plugin drains", () => {
    const caller = new Caller();
    caller.call();
    caller.guest.on("proxy_on_done", () => 0);
    caller.guest.root.finish(() => undefined);
    caller.started().reply("200");
    assert.equal(caller.heard.length, 1);
  });

  it("cancels the ten others when the callback of one traps", () => {
    const caller = new Caller();
    for (let i = 0; i < 11; i++) caller.call();
    caller.guest.on("proxy_on_http_call_response", () => {
      throw new Error("trap");
    });
    caller.started(3).reply("200");
    assert.notEqual(caller.guest.vm.failure, null);
    const { calls } = caller.guest.thread.callouts;
    assert.equal(calls.filter((call) => call.cancelled).length, 10);
    assert.equal(caller.guest.vm.callouts.count, 0);
    caller.started(4).reply("200");
  });

  it("may start the next call from the callback of the one before", () => {
    const caller = new Caller();
    caller.call();
    caller.guest.on("proxy_on_http_call_response", (guest) => {
      assert.equal(httpCall(guest)[0], 0);
      return undefined;
    });
    caller.started().reply("200");
    assert.equal(caller.guest.thread.callouts.calls.length, 2);
    assert.equal(caller.guest.root.calloutCount, 1);
  });
});
