import assert from "node:assert/strict";
import { test } from "node:test";
import { extractTags, labelName, prometheusName } from "../../../src/metrics/tags.ts";

/** Name, family, labels; as Envoy 1.40 shows them. */
const CASES: readonly (readonly [string, string, Record<string, string>])[] = [
  ["server.live", "server.live", {}],
  ["cluster.up.upstream_cx_total", "cluster.upstream_cx_total", { envoy_cluster_name: "up" }],
  [
    "cluster.up.external.upstream_rq_503",
    "cluster.external.upstream_rq",
    { envoy_cluster_name: "up", envoy_response_code: "503" },
  ],
  [
    "http.in.downstream_rq_4xx",
    "http.downstream_rq_xx",
    { envoy_http_conn_manager_prefix: "in", envoy_response_code_class: "4" },
  ],
  [
    "listener.127.0.0.1_80.http.in.downstream_rq_2xx",
    "listener.http.downstream_rq_xx",
    {
      envoy_http_conn_manager_prefix: "in",
      envoy_listener_address: "127.0.0.1_80",
      envoy_response_code_class: "2",
    },
  ],
  [
    "listener.[__1]_443.ssl.handshake",
    "listener.ssl.handshake",
    { envoy_listener_address: "[__1]_443" },
  ],
  ["wasm.a.b.vm_reload_success", "wasm.vm_reload_success", { envoy_wasm_plugin: "a.b" }],
  [
    "wasm.a.b.cost.proxy_on_log.time_us",
    "wasm.cost.time_us",
    { envoy_wasm_plugin: "a.b", granary_callback: "proxy_on_log" },
  ],
  ["wasm.a.vm_kept_out", "wasm.vm_kept_out", { envoy_wasm_plugin: "a" }],
  ["granary.shadow.a.b.same", "granary.shadow.same", { granary_shadow: "a.b" }],
  ["wasm.a.cost.memory_bytes", "wasm.cost.memory_bytes", { envoy_wasm_plugin: "a" }],
  ["wasm.envoy.wasm.runtime.v8.active", "wasm.envoy.wasm.runtime.v8.active", {}],
  ["wasmcustom.cluster.up.x_rq_200", "wasmcustom.cluster.up.x_rq_200", {}],
  ["cluster.up.upstream_rq_2000", "cluster.upstream_rq_2000", { envoy_cluster_name: "up" }],
];

for (const [name, family, labels] of CASES) {
  test(`${name} is a series of ${family}`, () => {
    assert.deepEqual(extractTags(name), { family, labels });
  });
}

test("Prometheus names carry only letters, digits and underscores", () => {
  assert.equal(prometheusName("http.a-b.c/d"), "envoy_http_a_b_c_d");
  assert.equal(prometheusName("9lives"), "envoy_9lives");
  assert.equal(prometheusName("wasmcustom.my-counter.ä"), "my_counter__");
  assert.equal(prometheusName("wasmcustom.9lives"), null);
  assert.equal(prometheusName("wasmcustom."), null);
});

test("tags in the names of plugins' metrics, as Istio writes them, become labels", () => {
  const name = "wasmcustom.istio_requests_total_;.;reporter=.=source;.;response_code=.=200;.;";
  assert.deepEqual(extractTags(name), {
    family: "wasmcustom.istio_requests_total",
    labels: { reporter: "source", response_code: "200" },
  });
});

test("a tag may be named like what every object has", () => {
  const name = "wasmcustom.n_;.;constructor=.=a;.;toString=.=b;.;__proto__=.=c;.;";
  const { family, labels } = extractTags(name);
  assert.equal(family, "wasmcustom.n");
  assert.deepEqual(Object.entries(labels), [
    ["constructor", "a"],
    ["toString", "b"],
    ["__proto__", "c"],
  ]);
});

test("tags of the configuration are cut out first, of plugins' metrics too, the first of a name wins", () => {
  const cut = (start: number, end: number, value: string) => ({
    find: () => ({ start, end, value }),
  });
  const rules = [
    { name: "a", ...cut(11, 15, "one") },
    { name: "a", ...cut(0, 1, "two") },
    { name: "fixed", ...cut(0, 0, "always") },
    { name: "none", find: () => null },
  ];
  assert.deepEqual(extractTags("wasmcustom.abc.rest", { useDefaults: true, rules }), {
    family: "wasmcustom.rest",
    labels: { a: "one", fixed: "always" },
  });
});

test("cuts that overlap take each byte once", () => {
  const rules = [
    { name: "a", find: () => ({ start: 2, end: 6, value: "x" }) },
    { name: "b", find: () => ({ start: 4, end: 8, value: "y" }) },
  ];
  const { family } = extractTags("0123456789", { useDefaults: false, rules });
  assert.equal(family, "0189");
});

test("Envoy's own tags can be switched off", () => {
  const { family, labels } = extractTags("cluster.up.upstream_cx_total", {
    useDefaults: false,
    rules: [],
  });
  assert.deepEqual([family, labels], ["cluster.up.upstream_cx_total", {}]);
});

test("a label's name is one that Prometheus takes", () => {
  assert.deepEqual(["envoy.cluster_name", "9lives", "ok"].map(labelName), [
    "envoy_cluster_name",
    "_9lives",
    "ok",
  ]);
});
