/**
 * Clusters over HTTP/2 upstreams, sane ones and ones of raw frames.
 */
import type { ServerHttp2Stream } from "node:http2";
import type { ClusterConfig, Http2Config } from "../../src/config/types.ts";
import { clusterConfig, endpointConfig } from "./cluster-config.ts";
import { H2Upstream, type H2UpstreamOptions, rawH2Upstream } from "./h2-upstream.ts";
import { RealClusters } from "./real-clusters.ts";

export const HTTP2: Http2Config = {
  concurrentStreamsMax: 1024,
  initialStreamWindowBytes: 65_536,
  initialConnectionWindowBytes: 1_048_576,
  keepalive: null,
};

export async function withPort(
  port: number,
  overrides: Partial<ClusterConfig>,
  body: (real: RealClusters) => Promise<void>,
): Promise<void> {
  const endpoints = [endpointConfig("127.0.0.1", port)];
  const real = new RealClusters([clusterConfig({ endpoints, http2: HTTP2, ...overrides })]);
  try {
    await body(real);
    await real.close();
  } finally {
    real.clusters.close();
  }
}

export async function withH2(
  options: H2UpstreamOptions,
  overrides: Partial<ClusterConfig>,
  body: (real: RealClusters, upstream: H2Upstream) => Promise<void>,
): Promise<void> {
  const upstream = await H2Upstream.listen(options);
  try {
    await withPort(upstream.port, overrides, (real) => body(real, upstream));
  } finally {
    await upstream.close();
  }
}

/** One request against an upstream of raw frames; what the router heard. */
export async function against(
  answer: Parameters<typeof rawH2Upstream>[0],
  overrides: Partial<ClusterConfig> = {},
): Promise<readonly string[]> {
  const upstream = await rawH2Upstream(answer);
  let log: readonly string[] = [];
  try {
    await withPort(upstream.port, overrides, async (real) => {
      log = (await real.exchange()).log;
    });
  } finally {
    await upstream.close();
  }
  return log;
}

export const sayHello = ({ stream }: { stream: ServerHttp2Stream }): void => {
  stream.respond({ ":status": 200, "x-a": "1" });
  stream.end("hello");
};
