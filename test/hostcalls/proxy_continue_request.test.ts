import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeStream } from "../harness/fake-roles.ts";
import { ENDED_PHASES, Guest, inPhase, ROOT_PHASES } from "./guest.ts";

const OLD = { abi: "0_1_0" };
const resume = (guest: Guest): number => guest.call("proxy_continue_request");

describe("proxy_continue_request works", () => {
  it("resumes the request after the callback of the response has returned", () => {
    const stream = new FakeStream();
    inPhase(
      "proxy_on_response_headers",
      (guest) => {
        assert.equal(resume(guest), 0);
        assert.deepEqual(stream.calls, []);
      },
      { options: OLD, stream },
    );
    assert.deepEqual(stream.calls, ["continueRequest"]);
  });

  it("makes a Pause of the request's own callback a Continue", () => {
    const guest = new Guest(OLD)
      .on("proxy_on_request_headers", (inner) => {
        assert.equal(resume(inner), 0);
        return 1;
      })
      .start();
    assert.equal(guest.open().onRequestHeaders(1, false), 0);
  });
});

describe("proxy_continue_request misuse", () => {
  it("says OK twice in one callback", () => {
    const got = inPhase("proxy_on_request_headers", (guest) => [resume(guest), resume(guest)]);
    assert.deepEqual(got, [0, 0]);
  });
});

describe("proxy_continue_request in the wrong phase", () => {
  for (const phase of [...ROOT_PHASES, ...ENDED_PHASES]) {
    it(`says OK and does nothing in ${phase}`, () => {
      const stream = new FakeStream();
      assert.equal(inPhase(phase, resume, { options: OLD, stream }), 0);
      assert.deepEqual(stream.calls, []);
    });
  }
});

describe("proxy_continue_request edges", () => {
  it("is served whatever version the module declares", () => {
    assert.equal(inPhase("proxy_on_request_headers", resume), 0);
  });
});
