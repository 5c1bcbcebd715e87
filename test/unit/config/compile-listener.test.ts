/** Each implemented field of listeners, connection managers and their TLS. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { bootstrapText, LOGGERS, load, TLS } from "./bootstrap-text.ts";
import { good, hcm } from "./good-config.ts";
import { PRIVATE_KEY_PEM } from "./pem.ts";
import { tls } from "./problem-rows.ts";

describe("listener and connection manager", () => {
  test("the fields of a listener are read", () => {
    const [listener] = good({
      listener:
        "traffic_direction: OUTBOUND\nper_connection_buffer_limit_bytes: 5\ntcp_backlog_size: 7\n" +
        "metadata: {filter_metadata: {x: {y: 1}}}\nenable_reuse_port: true",
    }).listeners;
    assert.deepEqual(listener?.address, { host: "0.0.0.0", port: 0 });
    assert.equal(listener?.trafficDirection, 2);
    assert.equal(listener?.perConnectionBufferBytes, 5);
    assert.equal(listener?.backlog, 7);
    assert.deepEqual(listener?.metadata?.fields, {
      filter_metadata: {
        kind: "map",
        entries: { x: { kind: "map", entries: { y: 1 } } },
      },
    });
  });

  test("filter chains, their matches and the listener filters are read", () => {
    const type = "type.googleapis.com/envoy.extensions.filters.listener.";
    const [listener] = good({
      chain: `name: c
filter_chain_match:
  destination_port: 443
  prefix_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]
  server_names: [A.test, "*.b.test"]
  transport_protocol: tls
  application_protocols: [h2]
  direct_source_prefix_ranges: [{address_prefix: "::", prefix_len: 0}]
  source_type: EXTERNAL
  source_prefix_ranges: [{address_prefix: 1.2.3.4, prefix_len: 32}]
  source_ports: [7]`,
      listener: `listener_filters:
- {name: p, typed_config: {"@type": ${type}proxy_protocol.v3.ProxyProtocol, allow_requests_without_proxy_protocol: true}}
- {name: h, typed_config: {"@type": ${type}http_inspector.v3.HttpInspector}}
listener_filters_timeout: 2s
continue_on_listener_filters_timeout: true`,
    }).listeners;
    assert.deepEqual(listener?.filterChains[0]?.match, {
      destinationPort: 443,
      prefixRanges: [{ address: "10.0.0.0", length: 8 }],
      serverNames: ["a.test", "*.b.test"],
      transportProtocol: "tls",
      applicationProtocols: ["h2"],
      directSourceRanges: [{ address: "::", length: 0 }],
      sourceType: "external",
      sourceRanges: [{ address: "1.2.3.4", length: 32 }],
      sourcePorts: [7],
    });
    assert.deepEqual(listener?.listenerFilters, {
      proxyProtocol: { isOptional: true },
      inspectsTls: true,
      inspectsHttp: true,
      timeoutMs: 2_000,
      continueOnTimeout: true,
    });
  });

  test("original_dst is accepted with a warning", () => {
    const type =
      "type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst";
    const listener = `listener_filters: [{name: o, typed_config: {"@type": ${type}}}]`;
    const { config, warnings } = load(bootstrapText({ listener }));
    assert.notEqual(config, null);
    assert.match(warnings[0]?.message ?? "", /original_dst has no effect/);
  });

  test("a TypedStruct is read as the message that it names", () => {
    const made = hcm({
      filters: `- name: w
  typed_config:
    "@type": type.googleapis.com/udpa.type.v1.TypedStruct
    type_url: type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
    value:
      config:
        name: p
        vm_config: {code: {local: {filename: ok.wasm}}}
        configuration: {"@type": type.googleapis.com/google.protobuf.StringValue, value: hi}`,
    });
    const [filter] = made.httpFilters;
    assert.equal(filter?.kind, "wasm");
    const bytes = filter?.kind === "wasm" ? filter.plugin.configuration : null;
    assert.equal(Buffer.from(bytes ?? []).toString(), "hi");
  });

  test("the fields of a connection manager are read", () => {
    const made = hcm({
      hcm: [
        "codec_type: http1",
        "server_name: s",
        "server_header_transformation: PASS_THROUGH",
        "use_remote_address: true",
        "xff_num_trusted_hops: 2",
        "skip_xff_append: true",
        "via: v",
        "generate_request_id: false",
        "preserve_external_request_id: true",
        "always_set_request_id_in_response: true",
        "stream_idle_timeout: 0s",
        "request_timeout: 1.0005s",
        "request_headers_timeout: 3s",
        "drain_timeout: 4s",
        "delayed_close_timeout: 0s",
        "max_request_headers_kb: 8",
        "http_protocol_options: {accept_http_10: true, default_host_for_http_10: old}",
        "normalize_path: true",
        "merge_slashes: true",
        "strip_any_host_port: true",
        "strip_trailing_host_dot: true",
        "forward_client_cert_details: APPEND_FORWARD",
        "set_current_client_cert_details: {subject: true, uri: true}",
        "path_with_escaped_slashes_action: UNESCAPE_AND_REDIRECT",
        "common_http_protocol_options: {idle_timeout: 9s, max_connection_duration: 8s, max_headers_count: 7, max_requests_per_connection: 6}",
      ].join("\n"),
    });
    assert.deepEqual(
      [made.serverName, made.serverHeader, made.useRemoteAddress, made.xffNumTrustedHops],
      ["s", "passThrough", true, 2],
    );
    assert.deepEqual(
      [made.skipXffAppend, made.via, made.generateRequestId, made.preserveExternalRequestId],
      [true, "v", false, true],
    );
    assert.deepEqual(
      [made.streamIdleTimeoutMs, made.requestTimeoutMs, made.requestHeadersTimeoutMs],
      [0, 1_001, 3_000],
    );
    assert.deepEqual([made.drainTimeoutMs, made.delayedCloseTimeoutMs], [4_000, 0]);
    assert.deepEqual(
      [made.maxRequestHeadersBytes, made.accept10, made.defaultHost10],
      [8_192, true, "old"],
    );
    assert.deepEqual(
      [made.normalizePath, made.mergeSlashes, made.escapedSlashes],
      [true, true, "redirect"],
    );
    assert.deepEqual(
      [made.idleTimeoutMs, made.maxConnectionDurationMs, made.maxHeadersCount],
      [9_000, 8_000, 7],
    );
    assert.equal(made.maxRequestsPerConnection, 6);
    assert.deepEqual([made.stripHostPort, made.stripTrailingHostDot], ["any", true]);
    assert.deepEqual(made.forwardClientCert, {
      mode: "append",
      show: { subject: true, cert: false, dns: false, uri: true },
    });
    assert.equal(made.alwaysSetRequestIdInResponse, true);
  });

  test("a disabled filter is left out", () => {
    const made = hcm({ filters: "- {name: x, disabled: true}" });
    assert.deepEqual(
      made.httpFilters.map(({ kind }) => kind),
      ["router"],
    );
  });

  test("access logs go to files and to the standard streams, as text and as JSON", () => {
    const { accessLogs } = hcm({
      hcm: `access_log:
- typed_config: {"@type": ${LOGGERS}file.v3.FileAccessLog, path: /tmp/x, format: "%REQ(A?B):3%\\n"}
- typed_config: {"@type": ${LOGGERS}file.v3.FileAccessLog, path: /dev/stderr}
- typed_config:
    "@type": ${LOGGERS}stream.v3.StdoutAccessLog
    log_format: {json_format: {a: "%PROTOCOL%", b: [1, true]}, omit_empty_values: true, json_format_options: {sort_properties: true}}`,
    });
    assert.deepEqual(accessLogs[0], {
      sink: { kind: "file", path: "/tmp/x" },
      filter: null,
      format: {
        kind: "text",
        format: [
          { kind: "operator", name: "REQ", argument: "a?b", lengthMax: 3 },
          { kind: "text", text: "\n" },
        ],
      },
      omitEmptyValues: false,
    });
    assert.deepEqual(accessLogs[1]?.sink, { kind: "stderr" });
    assert.deepEqual(accessLogs[2]?.format, {
      kind: "json",
      json: {
        kind: "object",
        fields: [
          [
            "a",
            {
              kind: "string",
              format: [{ kind: "operator", name: "PROTOCOL", argument: "", lengthMax: -1 }],
            },
          ],
          [
            "b",
            {
              kind: "array",
              items: [
                { kind: "literal", value: 1 },
                { kind: "literal", value: true },
              ],
            },
          ],
        ],
      },
    });
    assert.equal(accessLogs[2]?.omitEmptyValues, true);
  });
});

describe("TLS of a listener", () => {
  const context = (key: string): string =>
    tls(
      `common_tls_context:\n  tls_certificates:\n  - certificate_chain: {filename: cert.pem}\n    private_key: ${key}\n` +
        "  validation_context: {trusted_ca: {filename: cert.pem}}\nrequire_client_certificate: true",
    );

  test("certificate, key and client CA are read from files", () => {
    const made = good({ chain: context("{filename: key.pem}") }).listeners[0]?.filterChains[0]?.tls;
    assert.match(made?.certificates[0]?.privateKeyPem ?? "", /PRIVATE KEY/);
    assert.match(made?.clientCa ?? "", /BEGIN CERTIFICATE/);
    assert.equal(made?.requireClientCertificate, true);
    assert.deepEqual([made?.minVersion, made?.maxVersion], ["TLSv1.2", "TLSv1.3"]);
  });

  test("an inline private key is not in the dump of the bootstrap", () => {
    const key = `{inline_string: ${JSON.stringify(PRIVATE_KEY_PEM)}}`;
    const { bootstrapJson } = good({ chain: context(key) });
    assert.doesNotMatch(bootstrapJson, /PRIVATE KEY/);
    assert.match(bootstrapJson, /\[redacted\]/);
  });

  test("a raw buffer is plaintext", () => {
    const raw = `transport_socket: {name: r, typed_config: {"@type": ${TLS.replace("tls.v3.", "raw_buffer.v3.RawBuffer")}}}`;
    assert.equal(good({ chain: raw }).listeners[0]?.filterChains[0]?.tls, null);
  });
});
