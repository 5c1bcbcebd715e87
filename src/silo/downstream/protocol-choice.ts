/**
 * Which protocol a client speaks: what TLS agreed on by ALPN, or in plaintext what the first bytes
 * are (RFC 9113 section 3.3, prior knowledge). Stands between the socket and the codec until it is
 * known, then steps aside. Owned by one connection.
 */
import type { HttpConnectionManagerConfig } from "../../config/types.ts";
import type { AcceptedConnection } from "../../net/accept.ts";
import type { ProxiedAddresses } from "../../net/proxy-protocol.ts";
import type { SlotConnection } from "./chain-slot.ts";
import type { ClientConnection, ConnectionOwner } from "./client-connection.ts";
import { CodecConnection } from "./codec.ts";
import { H2Connection } from "./h2/h2-connection.ts";

/** The first bytes of every HTTP/2 client (RFC 9113 section 3.4). */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
const NOTHING = Buffer.alloc(0);

/** Where the connection is counted, to its end. */
interface ChoiceOwner extends ConnectionOwner {
  /** `next` is what `connection` has become. */
  swap(connection: ClientConnection, next: ClientConnection): void;
}

export class ProtocolChoice implements SlotConnection {
  readonly #owner: ChoiceOwner;
  /** Serves and counts the connection until it turns out to speak HTTP/2. */
  readonly #client: CodecConnection;
  readonly #codec: HttpConnectionManagerConfig["codec"];
  #connection: AcceptedConnection | null = null;
  /** Bytes that may be the beginning of a preface. */
  #held = NOTHING;

  constructor(owner: ChoiceOwner) {
    this.#owner = owner;
    this.#client = new CodecConnection(owner);
    this.#codec = owner.manager.hcm.codec;
  }

  attach(connection: AcceptedConnection, proxied: ProxiedAddresses | null): void {
    this.#connection = connection;
    this.#owner.swap(this, this.#client);
    this.#client.attach(connection, proxied);
    if (this.#codec === "http1") this.#chooseHttp1();
  }

  drain(): void {
    this.#client.drain();
  }

  destroy(): void {
    this.#client.destroy();
  }

  onSecure(alpn: string): "read" | "released" {
    if (this.#codec === "http2" || alpn === "h2") {
      this.#chooseHttp2(NOTHING);
      return "released";
    }
    this.#chooseHttp1();
    return "read";
  }

  onBytes(buffer: Uint8Array, length: number): void {
    const bytes = Buffer.concat([this.#held, buffer.subarray(0, length)]);
    const compared = Math.min(bytes.length, PREFACE.length);
    if (this.#codec === "auto" && bytes.compare(PREFACE, 0, compared, 0, compared) !== 0) {
      const held = this.#held;
      this.#chooseHttp1();
      // At most a part of a request line: never bytes of a body.
      if (held.length > 0) this.#client.onBytes(held, held.length);
      this.#client.onBytes(buffer, length);
    } else if (this.#codec === "http2" || bytes.length >= PREFACE.length) {
      this.#chooseHttp2(bytes);
    } else {
      this.#held = bytes;
    }
  }

  onPeerEnd(): void {
    this.#client.onPeerEnd();
  }

  onWritable(): void {
    this.#client.onWritable();
  }

  onClose(error: Error | null): void {
    this.#client.onClose(error);
  }

  #chooseHttp1(): void {
    this.#client.speakHttp1();
    this.#connection?.retarget(this.#client);
  }

  #chooseHttp2(early: Buffer): void {
    const connection = this.#connection as AcceptedConnection;
    const client = this.#client;
    const { info, startMs } = client;
    client.handOver();
    const socket = connection.release();
    this.#owner.swap(client, new H2Connection(this.#owner, { socket, early, info, startMs }));
  }
}
