/** HTTP/2 options, of clusters and of listeners. */
import { LIMITS } from "../base/limits.ts";
import type {
  Http2ProtocolOptions,
  KeepaliveSettings,
} from "../gen/envoy/config/core/v3/protocol_pb.ts";
import { durationMs, type Place } from "./place.ts";
import type { Http2Config, KeepaliveConfig } from "./types.ts";

/** Envoy's default. */
const JITTER_PERCENT = 15;

/** With the defaults where the options are silent. */
export function compileHttp2(options: Http2ProtocolOptions | undefined): Http2Config {
  return {
    concurrentStreamsMax: options?.maxConcurrentStreams ?? LIMITS.http2StreamsCountDefault,
    initialStreamWindowBytes:
      options?.initialStreamWindowSize ?? LIMITS.http2StreamWindowBytesDefault,
    initialConnectionWindowBytes:
      options?.initialConnectionWindowSize ?? LIMITS.http2ConnectionWindowBytesDefault,
    keepalive: compileKeepalive(options?.connectionKeepalive),
  };
}

/** The same for clients. */
export function compileClientHttp2(
  options: Http2ProtocolOptions | undefined,
  place: Place,
): Http2Config {
  const http2 = compileHttp2(options);
  if ((http2.keepalive?.idleMs ?? 0) > 0) {
    const field = place.child("connection_keepalive").child("connection_idle_interval");
    field.warn("connection_idle_interval has no meaning for clients", "remove it");
  }
  return http2;
}

function compileKeepalive(settings: KeepaliveSettings | undefined): KeepaliveConfig | null {
  if (settings === undefined) return null;
  return {
    intervalMs: durationMs(settings.interval, 0),
    timeoutMs: durationMs(settings.timeout, 0),
    jitterPercent: settings.intervalJitter?.value ?? JITTER_PERCENT,
    idleMs: durationMs(settings.connectionIdleInterval, 0),
  };
}
