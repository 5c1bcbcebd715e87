import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeStream } from "../harness/fake-roles.ts";
import { ENDED_PHASES, type Guest, inPhase, ROOT_PHASES } from "./guest.ts";

const close =
  (type: number) =>
  (guest: Guest): number =>
    guest.call("proxy_close_stream", type);

describe("proxy_close_stream works", () => {
  it("resets the stream by either of its halves, after the guest has returned", () => {
    for (const type of [0, 1]) {
      const stream = new FakeStream();
      inPhase(
        "proxy_on_request_headers",
        (guest) => {
          assert.equal(close(type)(guest), 0);
          assert.deepEqual(stream.calls, []);
        },
        { stream },
      );
      assert.deepEqual(stream.calls, ["closeStream"]);
    }
  });

  it("works in the response phase", () => {
    const stream = new FakeStream();
    assert.equal(inPhase("proxy_on_response_headers", close(1), { stream }), 0);
    assert.deepEqual(stream.calls, ["closeStream"]);
  });
});

describe("proxy_close_stream misuse", () => {
  it("answers BadArgument for a stream type that does not exist", () => {
    for (const type of [4, -1]) assert.equal(inPhase("proxy_on_request_headers", close(type)), 2);
  });

  it("says OK for the TCP types", () => {
    for (const type of [2, 3]) assert.equal(inPhase("proxy_on_request_headers", close(type)), 0);
  });
});

describe("proxy_close_stream in the wrong phase", () => {
  for (const phase of [...ROOT_PHASES, ...ENDED_PHASES]) {
    it(`says OK and does nothing in ${phase}`, () => {
      const stream = new FakeStream();
      assert.equal(inPhase(phase, close(0), { stream }), 0);
      assert.deepEqual(stream.calls, []);
    });
  }
});

describe("proxy_close_stream edges", () => {
  it("runs behind what the same callback asked for before", () => {
    const stream = new FakeStream();
    inPhase(
      "proxy_on_request_headers",
      (guest) => {
        guest.call("proxy_continue_stream", 1);
        close(0)(guest);
      },
      { stream },
    );
    assert.deepEqual(stream.calls, ["continueResponse", "closeStream"]);
  });
});
