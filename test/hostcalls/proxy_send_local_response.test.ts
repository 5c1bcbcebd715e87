import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LocalReply } from "../../src/vm/roles.ts";
import { FakeStream } from "../harness/fake-roles.ts";
import { ENDED_PHASES, Guest, inPhase, OUTSIDE, type Phase, ROOT_PHASES } from "./guest.ts";
import { block, type Entries } from "./maps.ts";

interface Reply {
  readonly status?: number;
  readonly details?: string;
  readonly body?: string;
  readonly headers?: Entries | Uint8Array;
  readonly grpcStatus?: number;
}

const send =
  (reply: Reply) =>
  (guest: Guest): number => {
    const { headers = [] } = reply;
    return guest.call(
      "proxy_send_local_response",
      reply.status ?? 403,
      ...guest.put(reply.details ?? ""),
      ...guest.put(reply.body ?? ""),
      ...guest.put(headers instanceof Uint8Array ? headers : block(headers)),
      reply.grpcStatus ?? -1,
    );
  };

/** The reply that a stream gets when its guest sends `reply` in request headers. */
function sent(reply: Reply): LocalReply {
  const stream = new FakeStream();
  assert.equal(inPhase("proxy_on_request_headers", send(reply), { stream }), 0);
  assert.equal(stream.replies.length, 1);
  return stream.replies[0] as LocalReply;
}

describe("proxy_send_local_response works", () => {
  it("passes status, body, headers and details on, after the guest has returned", () => {
    const stream = new FakeStream();
    inPhase(
      "proxy_on_request_headers",
      (guest) => {
        const reply = { details: "no entry", body: "go away", headers: [["X-Why", "b"]] as const };
        assert.equal(send(reply)(guest), 0);
        assert.deepEqual(stream.replies, []);
      },
      { stream },
    );
    const [reply] = stream.replies;
    assert.equal(reply?.status, 403);
    assert.equal(reply?.details, "no_entry");
    assert.equal(Buffer.from(reply?.body ?? []).toString(), "go away");
    assert.deepEqual(reply?.headers, [["x-why", "b"]]);
    assert.equal(reply?.grpcStatus, -1);
  });

  it("stops the callback whatever the guest returns", () => {
    const stops = [
      ["proxy_on_request_headers", "onRequestHeaders", 4],
      ["proxy_on_request_body", "onRequestBody", 3],
      ["proxy_on_request_trailers", "onRequestTrailers", 1],
      ["proxy_on_response_headers", "onResponseHeaders", 4],
      ["proxy_on_response_body", "onResponseBody", 3],
      ["proxy_on_response_trailers", "onResponseTrailers", 1],
    ] as const;
    for (const [phase, method, expected] of stops) {
      const guest = new Guest().on(phase, (inner) => {
        send({})(inner);
        return 0;
      });
      const stream = new FakeStream();
      const context = guest.start().open(stream);
      if (phase !== "proxy_on_request_headers") context.onRequestHeaders(1, false);
      assert.equal(context[method](1, false), expected, phase);
      assert.equal(stream.replies.length, 1);
    }
  });

  it("makes no further request callback, but the response's own", () => {
    const seen: Phase[] = [];
    const guest = new Guest().on("proxy_on_request_headers", (inner) => {
      send({})(inner);
      return 0;
    });
    for (const phase of ["proxy_on_request_body", "proxy_on_response_headers"] as const) {
      guest.on(phase, () => {
        seen.push(phase);
        return 0;
      });
    }
    const context = guest.start().open();
    context.onRequestHeaders(1, false);
    assert.equal(context.onRequestBody(1, true), 3);
    assert.equal(context.onResponseHeaders(1, false), 0);
    assert.deepEqual(seen, ["proxy_on_response_headers"]);
  });

  it("answers a held stream from a tick, and leaves the tick alone", () => {
    const stream = new FakeStream();
    const guest = new Guest()
      .on("proxy_on_request_headers", () => 1)
      .on("tick", (inner) => {
        const id = inner.vm.contexts.streams()[0]?.id ?? 0;
        inner.call("proxy_set_effective_context", id);
        assert.equal(send({ status: 401 })(inner), 0);
        return undefined;
      })
      .start();
    guest.open(stream).onRequestHeaders(1, false);
    guest.root.setTick(5);
    guest.thread.timers.advance(5);
    assert.deepEqual(
      stream.replies.map((reply) => reply.status),
      [401],
    );
  });

  it("does not stop another stream's callback", () => {
    const held = new FakeStream();
    const guest = new Guest().on("proxy_on_request_headers", () => 1).start();
    const first = guest.open(held);
    first.onRequestHeaders(1, false);
    guest.on("proxy_on_request_headers", (inner) => {
      inner.call("proxy_set_effective_context", first.id);
      send({})(inner);
      return 0;
    });
    const own = new FakeStream();
    assert.equal(guest.open(own).onRequestHeaders(1, false), 0);
    assert.deepEqual([held.replies.length, own.replies.length], [1, 0]);
  });
});

describe("proxy_send_local_response misuse", () => {
  it("answers InvalidMemoryAccess for each range outside the memory, and sends nothing", () => {
    const stream = new FakeStream();
    const none = [0, 0] as const;
    const got = inPhase(
      "proxy_on_request_headers",
      (guest) => [
        guest.call("proxy_send_local_response", 403, ...OUTSIDE, ...none, ...none, -1),
        guest.call("proxy_send_local_response", 403, ...none, ...OUTSIDE, ...none, -1),
        guest.call("proxy_send_local_response", 403, ...none, ...none, ...OUTSIDE, -1),
      ],
      { stream },
    );
    assert.deepEqual(got, [6, 6, 6]);
    assert.deepEqual(stream.replies, []);
  });

  it("ignores a second reply on the same stream", () => {
    const stream = new FakeStream();
    const got = inPhase(
      "proxy_on_request_headers",
      (guest) => [send({ status: 401 })(guest), send({ status: 402 })(guest)],
      { stream },
    );
    assert.deepEqual(got, [0, 0]);
    assert.deepEqual(
      stream.replies.map((reply) => reply.status),
      [401],
    );
  });

  it("leaves out pseudo-headers and headers that would break the message", () => {
    const headers: Entries = [
      [":status", "200"],
      ["a", "1\r\nb: 2"],
      ["c d", "1"],
      ["ok", "1"],
    ];
    assert.deepEqual(sent({ headers }).headers, [["ok", "1"]]);
  });

  it("takes malformed headers as none", () => {
    assert.deepEqual(sent({ headers: Uint8Array.of(1, 2, 3) }).headers, []);
    assert.deepEqual(sent({ headers: new Uint8Array() }).headers, []);
  });

  it("takes a gRPC status above 16 as not given", () => {
    assert.equal(sent({ grpcStatus: 16 }).grpcStatus, 16);
    assert.equal(sent({ grpcStatus: 0 }).grpcStatus, 0);
    assert.equal(sent({ grpcStatus: 17 }).grpcStatus, -1);
    assert.equal(sent({ grpcStatus: -2 }).grpcStatus, -1);
  });

  it("never passes on a status that no client could read", () => {
    for (const status of [0, 99, 1_000, -1]) {
      const passed = sent({ status }).status;
      assert.ok(passed >= 200 && passed <= 599, `${status} became ${passed}`);
    }
  });
});

describe("proxy_send_local_response in the wrong phase", () => {
  for (const phase of [...ROOT_PHASES, ...ENDED_PHASES]) {
    it(`says OK and sends nothing in ${phase}`, () => {
      const stream = new FakeStream();
      assert.equal(inPhase(phase, send({}), { stream }), 0);
      assert.deepEqual(stream.replies, []);
    });
  }
});

describe("proxy_send_local_response edges", () => {
  it("keeps the reply when the guest changes its memory afterwards", () => {
    const stream = new FakeStream();
    inPhase(
      "proxy_on_request_headers",
      (guest) => {
        const body = guest.put("before");
        guest.call("proxy_send_local_response", 403, 0, 0, ...body, 0, 0, -1);
        guest.vm.memory.writeLatin1(body[0], "AFTER!");
      },
      { stream },
    );
    assert.equal(Buffer.from(stream.replies[0]?.body ?? []).toString(), "before");
  });

  it("drops the reply when the callback traps after it", () => {
    const stream = new FakeStream();
    const guest = new Guest()
      .on("proxy_on_request_headers", (inner) => {
        send({})(inner);
        throw new Error("trap");
      })
      .start();
    guest.open(stream).onRequestHeaders(1, false);
    assert.deepEqual(stream.replies, []);
    assert.deepEqual(stream.calls, ["failStream"]);
  });

  it("lets the reply's own response callbacks put another in its place, once", () => {
    const stream = new FakeStream();
    const guest = new Guest()
      .on("proxy_on_response_headers", (inner) => {
        send({ status: 500 })(inner);
        return 0;
      })
      .on("proxy_on_response_body", (inner) => {
        send({ status: 501 })(inner);
        return 0;
      })
      .on("proxy_on_request_headers", (inner) => {
        send({ status: 401 })(inner);
        return 0;
      })
      .start();
    const context = guest.open(stream);
    context.onRequestHeaders(1, false);
    assert.equal(context.onResponseHeaders(1, false), 4);
    assert.equal(context.onResponseBody(1, true), 0);
    assert.deepEqual(
      stream.replies.map((reply) => reply.status),
      [401, 500],
    );
  });
});
