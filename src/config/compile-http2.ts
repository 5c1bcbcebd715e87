/** HTTP/2 options, of clusters and of listeners. */
import { LIMITS } from "../base/limits.ts";
import type { Http2ProtocolOptions } from "../gen/envoy/config/core/v3/protocol_pb.ts";
import type { Http2Config } from "./types.ts";

/** With the defaults where the options are silent. */
export function compileHttp2(options: Http2ProtocolOptions | undefined): Http2Config {
  return {
    concurrentStreamsMax: options?.maxConcurrentStreams ?? LIMITS.http2StreamsCountDefault,
    initialStreamWindowBytes:
      options?.initialStreamWindowSize ?? LIMITS.http2StreamWindowBytesDefault,
    initialConnectionWindowBytes:
      options?.initialConnectionWindowSize ?? LIMITS.http2ConnectionWindowBytesDefault,
  };
}
