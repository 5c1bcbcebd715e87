/** Callouts of all kinds can be started from every callback that has a context. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { CallbackName } from "../../src/abi/callback-table.ts";
import { NetworkContext } from "../../src/vm/network-context.ts";
import { FakeStream } from "../harness/fake-roles.ts";
import { grpcCall, grpcStream, httpCall } from "./callout-args.ts";
import { ENDED_PHASES, Guest, inPhase } from "./guest.ts";

const HTTP = [
  "proxy_on_vm_start",
  "proxy_on_configure",
  "proxy_on_tick",
  "proxy_on_request_headers",
  "proxy_on_request_body",
  "proxy_on_request_trailers",
  "proxy_on_response_headers",
  "proxy_on_response_body",
  "proxy_on_response_trailers",
  ...ENDED_PHASES,
] as const;
const NETWORK = [
  "proxy_on_new_connection",
  "proxy_on_downstream_data",
  "proxy_on_upstream_data",
  "proxy_on_downstream_connection_close",
  "proxy_on_upstream_connection_close",
] as const;

/** Statuses of one callout of each kind. */
const askAll = (guest: Guest): readonly number[] => [
  httpCall(guest)[0],
  grpcCall(guest)[0],
  grpcStream(guest)[0],
];
const OK = [0, 0, 0];

describe("callouts", () => {
  for (const phase of HTTP) {
    it(`start from ${phase}`, () => {
      assert.deepEqual(inPhase(phase === "proxy_on_tick" ? "tick" : phase, askAll), OK);
    });
  }

  for (const phase of NETWORK) {
    it(`start from ${phase}, and are answered when the connection is gone`, () => {
      const { guest, statuses } = listening(phase);
      const stream = new FakeStream();
      stream.kind = "tcp";
      stream.bodies[2] = Uint8Array.of(1);
      stream.bodies[3] = Uint8Array.of(1);
      const connection = new NetworkContext(guest.open(stream));
      connection.onNewConnection();
      connection.onDownstreamData(1, false);
      connection.onUpstreamData(1, false);
      connection.onUpstreamClose();
      connection.onDownstreamClose(1);
      connection.onDestroy();
      assert.deepEqual(statuses, OK);
      let answers = 0;
      guest.on("proxy_on_http_call_response", () => {
        answers++;
        return undefined;
      });
      guest.thread.callouts.calls[0]?.reply("200");
      assert.equal(answers, 1);
    });
  }

  it("start from the answer to another one, and from its failure", () => {
    const { guest, statuses } = listening("proxy_on_http_call_response");
    guest.on("proxy_on_request_headers", (inner) => httpCall(inner)[0]);
    guest.open().onRequestHeaders(1, true);
    guest.thread.callouts.calls[0]?.events.onHttpFailure();
    assert.deepEqual(statuses, OK);
  });
});

function listening(phase: CallbackName) {
  const guest = new Guest();
  const statuses: number[] = [];
  guest.on(phase, (inner) => {
    statuses.push(...askAll(inner));
    return undefined;
  });
  guest.start();
  return { guest, statuses };
}
