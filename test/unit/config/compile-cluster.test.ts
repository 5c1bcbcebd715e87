/** Each implemented field of clusters. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { bootstrapText, load } from "./bootstrap-text.ts";
import { cluster, good } from "./good-config.ts";
import { tls } from "./problem-rows.ts";

describe("clusters", () => {
  test("the fields of a cluster are read", () => {
    const made = cluster(
      "type: STRICT_DNS\nlb_policy: LEAST_REQUEST\nleast_request_lb_config: {choice_count: 5}\nalt_stat_name: s\n" +
        "connect_timeout: 0.25s\nmax_requests_per_connection: 2\nper_connection_buffer_limit_bytes: 3\n" +
        "dns_refresh_rate: 6s\ndns_lookup_family: V4_PREFERRED\nrespect_dns_ttl: true\n" +
        "circuit_breakers: {thresholds: [{max_connections: 1, max_pending_requests: 2, max_requests: 3, max_retries: 4}]}\n" +
        'typed_extension_protocol_options:\n  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n' +
        "    explicit_http_config: {http_protocol_options: {}}\n    common_http_protocol_options: {idle_timeout: 7s, max_headers_count: 8, max_response_headers_kb: 9}",
    );
    assert.deepEqual(
      [made.type, made.lbPolicy, made.choiceCount, made.altStatName, made.connectTimeoutMs],
      ["strictDns", "leastRequest", 5, "s", 250],
    );
    assert.deepEqual(
      [made.maxConnections, made.maxPendingRequests, made.maxRequests, made.maxRetries],
      [1, 2, 3, 4],
    );
    assert.deepEqual(
      [made.maxRequestsPerConnection, made.perConnectionBufferBytes, made.dnsRefreshMs],
      [2, 3, 6_000],
    );
    assert.deepEqual([made.dnsFamily, made.respectDnsTtl], ["v4preferred", true]);
    assert.deepEqual(
      [made.idleTimeoutMs, made.maxHeadersCount, made.maxHeadersBytes],
      [7_000, 8, 9_216],
    );
  });

  test("an endpoint has weight, host name, metadata and the locality of its group", () => {
    const [made] = good({
      endpoint: 'address: {socket_address: {address: "::1", port_value: 81}}\nhostname: h',
      clusters: "",
    }).clusters;
    assert.deepEqual([made?.endpoints[0]?.host, made?.endpoints[0]?.hostname], ["::1", "h"]);
    const [other] = good(
      "static_resources: {clusters: [{name: b, load_assignment: {cluster_name: b, endpoints: [{locality: {region: r}, lb_endpoints: [{load_balancing_weight: 4, endpoint: {address: {socket_address: {address: 1.2.3.4, port_value: 5}}}}]}]}}]}",
    ).clusters;
    assert.equal(other?.endpoints[0]?.weight, 4);
    assert.deepEqual(other?.endpoints[0]?.locality?.fields, { region: "r" });
    assert.deepEqual(other?.endpoints[0]?.locality?.encoded, Uint8Array.of(10, 1, 0x72));
  });

  test("TLS to an upstream is read", () => {
    const made = cluster(
      tls(
        "sni: s\ncommon_tls_context:\n  alpn_protocols: [http/1.1]\n  tls_params: {tls_minimum_protocol_version: TLSv1_1, cipher_suites: ['[ECDHE-RSA-AES128-GCM-SHA256|AES128-SHA]']}\n" +
          "  validation_context:\n    trusted_ca: {filename: cert.pem}\n    verify_certificate_hash: ['AB:CD:ABCDABCDABCDABCDABCDABCDABCDABCDABCDABCDABCDABCDABCDABCDABCD']\n" +
          "    match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: x}}]",
        "Upstream",
      ),
    ).tls;
    assert.equal(made?.sni, "s");
    assert.deepEqual([made?.minVersion, made?.maxVersion], ["TLSv1.1", "TLSv1.2"]);
    assert.equal(made?.ciphers, "ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA");
    assert.deepEqual(made?.alpn, ["http/1.1"]);
    assert.match(made?.trustedCa ?? "", /BEGIN CERTIFICATE/);
    assert.match(made?.certificateHashes[0] ?? "", /^[0-9a-f]{64}$/);
    assert.deepEqual(made?.subjectAltNames, [
      { sanType: "dns", match: { kind: "exact", value: "x", ignoreCase: false } },
    ]);
  });

  test("an upstream that is not verified is warned about; the protocols of ALPN are kept in order", () => {
    const text = bootstrapText({
      cluster: tls('common_tls_context: {alpn_protocols: ["h2,http/1.1"]}', "Upstream"),
    });
    const { config, warnings } = load(text);
    assert.deepEqual(config?.clusters[0]?.tls?.alpn, ["h2", "http/1.1"]);
    const words = warnings.map(({ message }) => message).join("\n");
    assert.match(words, /not verified/);
  });
});
