import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ListenerConfig } from "../../../src/config/types.ts";
import { planTransports, type UwsVerdict } from "../../../src/main/transports.ts";

/** A TLS context that uWS can serve. */
const TLS = { certificates: [{}], clientCa: null, alpn: [], maxVersion: "TLSv1.3" };

/** Only what the planner looks at. */
function listener(name: string, isTls: boolean, http = { requestHeadersTimeoutMs: 0 }) {
  return {
    name,
    filterChains: [{ tls: isTls ? TLS : null, match: null, http }],
    listenerFilters: { proxyProtocol: null },
  } as unknown as ListenerConfig;
}

const LISTENERS = [listener("plain", false), listener("secure", true)];
const USABLE: UwsVerdict = { kind: "usable" };
const UNUSABLE: UwsVerdict = { kind: "unusable", reason: "it does not load" };

describe("transport plan", () => {
  it("takes the codec for plaintext and uWS for TLS where it is usable", () => {
    assert.deepEqual(planTransports("auto", LISTENERS, USABLE), {
      kind: "planned",
      transports: ["codec", "uws"],
      notes: ["listener 'plain': codec (plaintext)", "listener 'secure': uws (TLS)"],
    });
  });

  it("takes the codec for TLS as well when uWS is not usable, and says why", () => {
    const plan = planTransports("auto", LISTENERS, UNUSABLE);
    assert.equal(plan.kind, "planned");
    assert.deepEqual(plan.kind === "planned" && plan.transports, ["codec", "codec"]);
    assert.match(JSON.stringify(plan), /secure': codec \(TLS, it does not load\)/);
  });

  it("does as it is told by codec and uws", () => {
    for (const choice of ["codec", "uws"] as const) {
      const plan = planTransports(choice, LISTENERS, USABLE);
      assert.deepEqual(plan.kind === "planned" && plan.transports, [choice, choice]);
    }
  });

  it("refuses to run when uWS is demanded and not usable", () => {
    assert.deepEqual(planTransports("uws", LISTENERS, UNUSABLE), {
      kind: "refused",
      problem: "--transport uws: it does not load",
    });
  });

  it("leaves a listener to the codec, or refuses it, where uWS cannot do what it asks for", () => {
    const listeners = [listener("slow", true, { requestHeadersTimeoutMs: 1_000 })];
    const plan = planTransports("auto", listeners, USABLE);
    const why = "TLS, uWS cannot keep request_headers_timeout";
    assert.deepEqual(plan, {
      kind: "planned",
      transports: ["codec"],
      notes: [`listener 'slow': codec (${why})`],
    });
    assert.deepEqual(planTransports("uws", listeners, USABLE), {
      kind: "refused",
      problem: "--transport uws: listener 'slow': uWS cannot keep request_headers_timeout",
    });
  });
});
