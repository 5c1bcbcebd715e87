/**
 * Compressed gRPC messages. They are unpacked on the spot: the result is capped, and a callout
 * gets them only because it says that it takes them. Source: gRPC over HTTP/2, "Message-Encoding".
 */
import { gunzipSync, inflateSync } from "node:zlib";
import { LIMITS } from "../../base/limits.ts";

/** Null when the encoding is unknown, the bytes are malformed, or the result is too large. */
export function decompress(message: Uint8Array, encoding: string): Uint8Array | null {
  const options = { maxOutputLength: LIMITS.grpcMessageBytes };
  try {
    if (encoding === "gzip") return gunzipSync(message, options);
    if (encoding === "deflate") return inflateSync(message, options);
  } catch {
    return null;
  }
  return null;
}
