/**
 * HTTP/2 sessions on accepted sockets: `node:http2` with the limits that keep a hostile client from
 * costing more than an honest one.
 */
import { performServerHandshake, type ServerHttp2Session, type ServerOptions } from "node:http2";
import type { Socket } from "node:net";
import { LIMITS } from "../../../base/limits.ts";
import type { HttpConnectionManagerConfig } from "../../../config/types.ts";

/** @param early what was read of the socket already */
export function serverSessionOn(
  socket: Socket,
  early: Buffer,
  hcm: HttpConnectionManagerConfig,
): ServerHttp2Session {
  const { http2 } = hcm;
  // The session reads what is buffered in the socket before it reads from the kernel.
  if (early.length > 0) socket.unshift(early);
  const options: ServerOptions = {
    maxSessionMemory: LIMITS.http2DownstreamSessionMib,
    maxHeaderListPairs: hcm.maxHeadersCount + PSEUDO_HEADERS,
    maxSendHeaderBlockLength: LIMITS.http2SentHeadersBytes,
    maxSettings: MAX_SETTINGS,
    // What a client must not do often is counted by the connection.
    maxSessionInvalidFrames: MAX_INVALID_FRAMES,
    settings: {
      maxConcurrentStreams: http2.concurrentStreamsMax,
      initialWindowSize: http2.initialStreamWindowBytes,
      maxHeaderListSize: hcm.maxRequestHeadersBytes,
    },
  };
  return performServerHandshake(socket, options);
}

const PSEUDO_HEADERS = 4;
const MAX_SETTINGS = 32;
const MAX_INVALID_FRAMES = 100;
