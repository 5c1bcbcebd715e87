/**
 * A byte connection over the addon's sockets, `net` or `tls`, the same for clients and upstreams.
 * Plain sockets read into SharedArrayBuffer slabs; nothing is allocated for an idle connection.
 */
import type { BodyChunk } from "../shm/body-chunk.ts";

/** Bodies up to this size are copied behind the text, which is cheaper than a second segment. */
export const JOIN_BYTES_MAX = 4_096;

export interface ConnectionEvents {
  /** Bytes `[0, length)` of `buffer` arrived. Valid until the call returns; see `chunkOf`. */
  onBytes(buffer: Uint8Array, length: number): void;
  /** The peer finished sending (FIN). Writing is still possible. */
  onPeerEnd(): void;
  /** Everything written has left for the kernel after `write*` returned false. */
  onWritable(): void;
  /** Bytes that will come next and are body for certain; 0 or absent: what comes may be framing. */
  bodyLeft?(): number;
  /** The connection is gone; called exactly once, last. `error` is null on an orderly close. */
  onClose(error: Error | null): void;
}

/** Upstream connections also tell when they are ready (TCP connected, TLS handshake verified). */
export interface ConnectEvents extends ConnectionEvents {
  onConnect(): void;
}

export interface TlsInfo {
  readonly version: string;
  readonly cipher: string;
  readonly serverName: string;
  readonly alpn: string;
  /** Peer certificate: null when none was presented. Fields as `connection.*` attributes need. */
  readonly peer: CertificateInfo | null;
  readonly local: CertificateInfo | null;
}

export interface CertificateInfo {
  /** RFC 2253 distinguished name. */
  readonly subject: string;
  readonly dnsSans: readonly string[];
  readonly uriSans: readonly string[];
  readonly sha256Hex: string;
  readonly pem: string;
}

export interface Connection {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly tls: TlsInfo | null;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** Bytes handed to write* that the kernel has not taken yet. */
  readonly pendingBytes: number;
  /**
   * Body bytes `[start, end)` of the buffer of the current `onBytes` call as a chunk. Without a
   * copy
   * when the buffer is this connection's own slab chunk, by one copy when it is the shared window.
   * The caller owns one reference.
   */
  chunkOf(start: number, end: number): BodyChunk;
  /** A long body is about to be read: read it into slab chunks of this connection's own. */
  expectBody(): void;
  /** The body is over: idle connections read into the shared window again. */
  bodyDone(): void;
  /** Writes latin1 text; false when bytes are left pending (`onWritable` follows). */
  writeText(text: string): boolean;
  /**
   * Writes latin1 text and then the bytes as one segment where possible; the chunk is retained as
   * long as needed.
   */
  writeTextAndChunk(text: string, chunk: BodyChunk): boolean;
  writeChunk(chunk: BodyChunk): boolean;
  pause(): void;
  resume(): void;
  /** Sends FIN after what is pending; the peer's bytes are still read. */
  end(): void;
  /** Ends, discards what still arrives and closes for good after at most `lingerMs`. */
  closeAfterFlush(lingerMs: number): void;
  destroy(): void;
  /** Destroys it, and the peer sees that it broke off (RST) where the transport can tell. */
  reset(): void;
}
