/** Attributes of a stream at the moments of its life. What each answers is Envoy 1.40's answer. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ListenerConfig, PropertyValue } from "../../../src/config/types.ts";
import { HeaderMap } from "../../../src/http/header-map.ts";
import { type AttributeSource, StreamProperties } from "../../../src/silo/properties.ts";
import { type DownstreamInfo, StreamInfo } from "../../../src/silo/stream-info.ts";

const PEM = "-----BEGIN CERTIFICATE-----\nAA+/\n-----END CERTIFICATE-----\n";

function connection(tls: DownstreamInfo["tls"] = null): DownstreamInfo {
  const direct = { directIp: "127.0.0.1", directPort: 1 };
  const addresses = { remoteIp: "127.0.0.1", remotePort: 1, localIp: "127.0.0.1", localPort: 2 };
  return { id: 1, ...direct, ...addresses, tls };
}

function streamOf(info: StreamInfo): StreamProperties {
  // What attributes read of a listener, its chain and its clusters.
  const source = {
    info,
    manager: { silo: { clusters: { get: () => null } }, chain: { name: "chain" } },
  };
  return new StreamProperties(source as unknown as AttributeSource);
}

function newInfo(tls: DownstreamInfo["tls"] = null): StreamInfo {
  const listener = { trafficDirection: 1, metadata: null } as unknown as ListenerConfig;
  return new StreamInfo(listener, connection(tls), 1);
}

/** `missing`, `null` (SerializationFailure), or what the value is. */
function answers(info: StreamInfo, paths: readonly string[]): Readonly<Record<string, unknown>> {
  const properties = streamOf(info);
  return Object.fromEntries(
    paths.map((path) => {
      const value = properties.property(path.split(" "));
      return [path, value === undefined ? "missing" : value === null ? "null" : shown(value)];
    }),
  );
}

function shown(value: PropertyValue): unknown {
  if (typeof value !== "object" || value instanceof Uint8Array) return value;
  return value.kind === "map" ? { ...value.entries } : value.kind;
}

function withUpstream(): StreamInfo {
  const info = newInfo();
  info.endpoint = { address: "127.0.0.1:9", ip: "127.0.0.1", port: 9, hostname: "" };
  info.responseHeaders = HeaderMap.of([[":status", "200"]]);
  info.responseCode = 200;
  return info;
}

describe("attributes before there is a response", () => {
  it("are empty maps and sizes of 0, and missing where nothing is known", () => {
    const expected = {
      "response headers": {},
      "response trailers": {},
      "response headers x": "missing",
      "response headers_bytes": 0n,
      "response grpc_status": "missing",
      "upstream transport_failure_reason": "missing",
      "upstream locality": "missing",
      upstream_filter_state: "missing",
      "xds upstream_host_metadata": "missing",
      "xds upstream_host_locality_metadata": "missing",
      "connection peer_certificate": "missing",
    };
    assert.deepEqual(answers(newInfo(), Object.keys(expected)), expected);
  });

  it("of metadata are messages with an empty map", () => {
    const expected = {
      metadata: "message",
      "metadata filter_metadata": {},
      "metadata filter_metadata x": "missing",
      "xds listener_metadata filter_metadata": {},
      "xds route_metadata": "message",
    };
    assert.deepEqual(answers(newInfo(), Object.keys(expected)), expected);
  });
});

describe("attributes once there is an upstream", () => {
  it("are empty, or without a serialisation", () => {
    const expected = {
      "upstream transport_failure_reason": "",
      "upstream locality": "message",
      upstream_filter_state: "null",
      "xds upstream_host_metadata": "null",
      "xds upstream_host_metadata filter_metadata": "missing",
      "xds upstream_host_locality_metadata": "null",
    };
    assert.deepEqual(answers(withUpstream(), Object.keys(expected)), expected);
  });

  it("give a gRPC status: the response's own, else what its HTTP status comes to", () => {
    const info = withUpstream();
    assert.deepEqual(answers(info, ["response grpc_status"]), { "response grpc_status": 2n });
    info.responseCode = 404;
    assert.deepEqual(answers(info, ["response grpc_status"]), { "response grpc_status": 12n });
    info.responseTrailers = HeaderMap.of([["grpc-status", "5"]]);
    assert.deepEqual(answers(info, ["response grpc_status"]), { "response grpc_status": 5n });
  });
});

describe("attributes of a connection", () => {
  it("give the client's certificate as PEM, URL-encoded", () => {
    const peer = { subject: "CN=a", dnsSans: [], uriSans: [], sha256Hex: "00", pem: PEM };
    const tls = { version: "TLSv1.3", cipher: "", serverName: "", alpn: "", peer, local: null };
    const value = streamOf(newInfo(tls)).property(["connection", "peer_certificate"]);
    assert.equal(value, encodeURIComponent(PEM));
  });
});

describe("names that plugins set", () => {
  it("are found, but do not hide the host's own", () => {
    const info = newInfo();
    info.requestHeaders = HeaderMap.of([[":path", "/p"]]);
    const properties = streamOf(info);
    const declaration = { readOnly: false, type: 1, span: 0, message: null };
    for (const name of ["mine", "request", "request\0path", "a\0b"]) {
      assert.ok(properties.setState(`wasm.${name}`, Buffer.from("set"), declaration));
    }
    const expected = { mine: "set", request: "null", "request path": "/p", "a b": "set" };
    assert.deepEqual(answers(info, Object.keys(expected)), expected);
  });
});
