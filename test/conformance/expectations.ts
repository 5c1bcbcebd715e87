/**
 * The conformance table: what a client and an upstream see of each toolbox behaviour. The toolboxes
 * (Rust, Go, AssemblyScript, TypeScript on the null engine) share it; what an SDK cannot do stands
 * beside the case with its reason. Every row was checked against Envoy 1.40 (V8) by Wasm.
 */
import {
  NODE_CLUSTER,
  NODE_ID,
  PLUGIN_CONFIGURATION,
  PLUGIN_NAME,
  PLUGIN_ROOT_ID,
  PLUGIN_VM_ID,
  ROUTE_NAME,
  UPSTREAM_CLUSTER,
  VM_CONFIGURATION,
} from "./bootstrap.ts";
import {
  type CaseException,
  type CaseParts,
  CHUNKED,
  type ConformanceCase,
  conformanceCase,
  POST,
  POST_CHUNKED,
} from "./case.ts";
import { TRAPS } from "./failures.ts";

const NO_FUNCTION = (what: string): CaseException => ({
  reason: `the SDK has no function to ${what}`,
  expect: null,
});

/** A local reply replaces everything; it still passes the toolbox's response callbacks. */
const replyFrom = (from: string): NonNullable<CaseParts["expect"]> => ({
  status: 418,
  headers: { "x-reply": from, "x-upstream": null, "content-type": "text/plain" },
  body: `reply from ${from}`,
});

const HEADERS: readonly ConformanceCase[] = [
  conformanceCase("nothing", "a filter that does nothing changes nothing but its signature", {}),
  conformanceCase("request-headers", "request headers are added, replaced, set and removed", {
    request: {
      headers: [
        ["x-replace", "old"],
        ["x-replace", "older"],
        ["x-remove", "gone"],
      ],
    },
    expect: {
      upstream: {
        headers: {
          "x-added": ["one", "two"],
          "x-replace": "new",
          "x-replace-absent": "set",
          "x-remove": null,
        },
      },
    },
  }),
  conformanceCase("request-line", "method, path and authority can be rewritten", {
    expect: {
      upstream: {
        method: "PUT",
        path: "/rewritten?by=toolbox",
        headers: { host: "rewritten.example" },
      },
    },
  }),
  conformanceCase("request-pairs", "all request headers are read and set as one list", {
    request: {
      headers: [
        ["x-remove", "gone"],
        ["x-keep", "kept"],
      ],
    },
    expect: {
      headers: { "x-pairs": "true" },
      upstream: { headers: { "x-added": "by-pairs", "x-keep": "kept", "x-remove": null } },
    },
  }),
  conformanceCase("response-headers", "response headers are added, replaced, set and removed", {
    response: {
      headers: [
        ["x-replace", "old"],
        ["x-replace", "older"],
        ["x-remove", "gone"],
      ],
    },
    expect: {
      headers: {
        "x-added": ["one", "two"],
        "x-replace": "new",
        "x-replace-absent": "set",
        "x-remove": null,
      },
    },
  }),
  conformanceCase("response-status", "the response's status can be replaced", {
    expect: { status: 203 },
  }),
  conformanceCase("response-pairs", "all response headers are replaced by one list", {
    response: CHUNKED,
    expect: {
      status: 202,
      headers: { "x-pairs": "true", "x-only": "yes", "x-upstream": null },
    },
  }),
  conformanceCase("empty-header", "a header without value is told from an absent one", {
    request: { headers: [["x-empty", ""]] },
    expect: { headers: { "x-empty-is": "there", "x-absent-is": "absent" } },
    exceptions: {
      assemblyscript: NO_FUNCTION("tell an empty header from an absent one"),
    },
  }),
];

const BODIES: readonly ConformanceCase[] = [
  conformanceCase("request-body", "a request body is held to its end and replaced", {
    request: POST,
    expect: { upstream: { body: "[SOME BODY]", headers: { "content-length": null } } },
  }),
  conformanceCase("request-body", "so is a request body in chunks", {
    request: POST_CHUNKED,
    expect: { upstream: { body: "[SOME BODY]" } },
  }),
  conformanceCase("request-body-append", "bytes are appended to a request body", {
    request: POST_CHUNKED,
    expect: { upstream: { body: "some body-tail" } },
  }),
  conformanceCase("request-body-prepend", "bytes are put before a request body", {
    request: POST_CHUNKED,
    expect: { upstream: { body: "head-some body" } },
  }),
  conformanceCase("response-body", "a response body is held to its end and replaced", {
    expect: { body: "[HELLO]", headers: { "content-length": null } },
  }),
  conformanceCase("response-body", "so is a response body in chunks", {
    response: CHUNKED,
    expect: { body: "[SOME ANSWER]" },
  }),
  conformanceCase("response-body-append", "bytes are appended to a response body", {
    response: CHUNKED,
    expect: { body: "some answer-tail" },
  }),
  conformanceCase("response-body-prepend", "bytes are put before a response body", {
    response: CHUNKED,
    expect: { body: "head-some answer" },
  }),
];

const REPLIES: readonly ConformanceCase[] = [
  conformanceCase("reply-request-headers", "the filter answers instead of the upstream", {
    expect: { ...replyFrom("request-headers"), upstream: null },
  }),
  conformanceCase("reply-request-body", "the filter answers when it has seen the body", {
    request: POST_CHUNKED,
    expect: { ...replyFrom("request-body"), upstream: null },
  }),
  // Response callbacks have begun: this reply goes straight to the client and passes none again.
  conformanceCase("reply-response-headers", "the filter's answer replaces the upstream's", {
    expect: {
      ...replyFrom("response-headers"),
      headers: { ...replyFrom("response-headers").headers, "x-toolbox": null },
    },
  }),
  conformanceCase("reply-tick", "a paused request is answered from the tick", {
    expect: { ...replyFrom("tick"), upstream: null },
  }),
  conformanceCase("close-stream", "the filter resets the stream: the client gets no answer", {
    expect: {
      outcome: "reset",
      status: 0,
      headers: { "x-toolbox": null },
      body: "",
      upstream: null,
    },
    exceptions: {
      go: NO_FUNCTION("reset an HTTP stream"),
      assemblyscript: NO_FUNCTION("reset an HTTP stream"),
    },
  }),
];

const PAUSES: readonly ConformanceCase[] = [
  conformanceCase("pause-tick", "request headers wait for the tick, which adds one", {
    expect: { upstream: { headers: { "x-resumed": "tick" } } },
  }),
  conformanceCase("pause-tick", "a request body waits behind its paused headers", {
    request: POST_CHUNKED,
    expect: { upstream: { headers: { "x-resumed": "tick" } } },
  }),
  conformanceCase("pause-body-tick", "a whole request body waits for the tick", {
    request: POST_CHUNKED,
  }),
  conformanceCase("pause-response-tick", "response headers wait for the tick, which adds one", {
    response: CHUNKED,
    expect: { headers: { "x-resumed": "tick" } },
  }),
];

const LOOPBACK = { matches: "127\\.0\\.0\\.1:\\d+" };
const POSITIVE = { matches: "[1-9]\\d*" };

const KNOWLEDGE: readonly ConformanceCase[] = [
  conformanceCase("config", "plugin and VM configuration reach the filter byte for byte", {
    expect: { headers: { "x-config": PLUGIN_CONFIGURATION, "x-vm-config": VM_CONFIGURATION } },
  }),
  conformanceCase("properties", "attributes have the values and types of Envoy's", {
    request: {
      headers: [
        ["user-agent", "conformance/1"],
        ["host", "properties.example"],
      ],
      path: "/properties?color=red",
    },
    response: { headers: [["x-replace", "seen"]] },
    expect: {
      headers: {
        "x-prop-path": "/properties?color=red",
        "x-prop-url-path": "/properties",
        "x-prop-query": "color=red",
        "x-prop-host": "properties.example",
        "x-prop-scheme": "http",
        "x-prop-method": "GET",
        "x-prop-protocol": "HTTP/1.1",
        "x-prop-useragent": "conformance/1",
        "x-prop-referer": "-",
        "x-prop-header": "properties",
        "x-prop-size": "0",
        "x-prop-time": "set",
        "x-prop-source-address": LOOPBACK,
        "x-prop-source-port": POSITIVE,
        "x-prop-destination-address": LOOPBACK,
        "x-prop-destination-port": POSITIVE,
        "x-prop-connection-id": { matches: "\\d+" },
        "x-prop-connection-mtls": "false",
        "x-prop-tls-version": "-",
        "x-prop-plugin-name": PLUGIN_NAME,
        "x-prop-plugin-root-id": PLUGIN_ROOT_ID,
        "x-prop-plugin-vm-id": PLUGIN_VM_ID,
        "x-prop-node-id": NODE_ID,
        "x-prop-node-cluster": NODE_CLUSTER,
        "x-prop-direction": "0",
        "x-prop-cluster": UPSTREAM_CLUSTER,
        "x-prop-route": ROUTE_NAME,
        "x-prop-unknown": "-",
        "x-prop-upstream-address": LOOPBACK,
        "x-prop-upstream-port": POSITIVE,
        "x-prop-response-header": "seen",
      },
    },
  }),
  conformanceCase("set-property", "a property set in the request is read in the response", {
    expect: { headers: { "x-prop-x": "kept for the response" } },
  }),
  conformanceCase("shared-data", "a value is kept, and replaced only by who has seen it last", {
    expect: {
      headers: {
        "x-shared-data": "one",
        "x-shared-stale": "refused",
        "x-shared-fresh": "accepted",
        "x-shared-absent": "absent",
      },
    },
  }),
  conformanceCase("queue", "a queue gives out what was put into it, once", {
    expect: {
      headers: {
        "x-queue-item": "item",
        "x-queue-then": "empty",
        "x-queue-found": "same",
        "x-queue-unknown": "absent",
      },
    },
  }),
  conformanceCase("effective-context", "hostcalls act on the effective context", {
    expect: {
      headers: {
        "x-effective-unknown": "refused",
        "x-effective-root": "0",
        "x-effective-own": "GET",
      },
    },
    exceptions: {
      typescript: { reason: "each context object acts on itself", expect: null },
    },
  }),
  conformanceCase("time", "the clock tells today's time", {
    expect: { headers: { "x-year-2020-or-later": "true" } },
    exceptions: { go: NO_FUNCTION("read the host's clock") },
  }),
];

const OBSERVATION: readonly ConformanceCase[] = [
  conformanceCase("metrics", "counters, gauges and histograms count, and the admin shows them", {
    expect: {
      headers: { "x-counter-added": "3", "x-gauge": "42" },
      stats: {
        "wasmcustom.toolbox_requests": "positive",
        "wasmcustom.toolbox_counter": "positive",
        "wasmcustom.toolbox_gauge": 42,
        "wasmcustom.toolbox_ticks": "positive",
      },
    },
    exceptions: {
      assemblyscript: {
        reason: "the SDK's get_metric records instead of reading, so the case only writes",
        expect: { headers: { "x-toolbox": "assemblyscript" } },
      },
    },
  }),
  conformanceCase("log-levels", "each level reaches the proxy's log", {
    expect: {
      log: [
        { level: "trace", text: "toolbox says trace" },
        { level: "debug", text: "toolbox says debug" },
        { level: "info", text: "toolbox says info" },
        { level: "warn", text: "toolbox says warn" },
        { level: "error", text: "toolbox says error" },
        { level: "critical", text: "toolbox says critical" },
      ],
    },
    exceptions: {
      assemblyscript: {
        reason: "the SDK logs through standard output, which is logged at info, level in the text",
        expect: {
          log: [
            { level: "info", text: "[TRACE]: toolbox says trace" },
            { level: "info", text: "[DEBUG]: toolbox says debug" },
            { level: "info", text: "[INFO]: toolbox says info" },
            { level: "info", text: "[WARN]: toolbox says warn" },
            { level: "info", text: "[ERROR]: toolbox says error" },
            { level: "info", text: "[CRITICAL]: toolbox says critical" },
          ],
        },
      },
    },
  }),
  conformanceCase("log", "the log callback sees the finished stream", {
    expect: {
      log: [
        { level: "info", text: "toolbox log code=200 path=/conformance/log?a=1&b=2 status=200" },
      ],
    },
  }),
];

export const EXPECTATIONS: readonly ConformanceCase[] = [
  ...HEADERS,
  ...BODIES,
  ...REPLIES,
  ...PAUSES,
  ...KNOWLEDGE,
  ...OBSERVATION,
  ...TRAPS,
];
