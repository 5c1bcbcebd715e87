/**
 * What the first bytes of a connection say: TLS and for which server name, or HTTP and of which
 * version. Only looks; the bytes go on unchanged. Pure. Source: RFC 8446 section 4.1.2, RFC 6066
 * section 3, RFC 7301.
 */
import { LIMITS } from "../base/limits.ts";

export interface ClientHello {
  /** Lower-case; "" = none. */
  readonly serverName: string;
  /** Protocols that the client offers, best first. */
  readonly alpn: readonly string[];
}

export type HelloRead =
  | { readonly kind: "incomplete" }
  | { readonly kind: "notTls" }
  | { readonly kind: "hello"; readonly hello: ClientHello };

const INCOMPLETE = { kind: "incomplete" } as const;
const NOT_TLS = { kind: "notTls" } as const;
const RECORD_HEAD_BYTES = 5;
const RECORD_BYTES_MAX = 16_384;
const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const ALPN = 16;

export function readClientHello(bytes: Buffer): HelloRead {
  if (bytes.length > 0 && bytes[0] !== HANDSHAKE) return NOT_TLS;
  if (bytes.length > 1 && bytes[1] !== 3) return NOT_TLS;
  const handshake: Buffer[] = [];
  let have = 0;
  let need = 4;
  for (let at = 0; have < need; ) {
    if (bytes.length < at + RECORD_HEAD_BYTES) return INCOMPLETE;
    const length = bytes.readUInt16BE(at + 3);
    if (bytes[at] !== HANDSHAKE || length === 0 || length > RECORD_BYTES_MAX) return NOT_TLS;
    const start = at + RECORD_HEAD_BYTES;
    const part = bytes.subarray(start, start + length);
    handshake.push(part);
    have += part.length;
    at = start + length;
    const head = handshake.length === 1 && have >= 4 ? part : Buffer.concat(handshake);
    if (have < 4) continue;
    if (head[0] !== CLIENT_HELLO) return NOT_TLS;
    need = 4 + head.readUIntBE(1, 3);
    if (need > LIMITS.clientHelloBytes) return NOT_TLS;
  }
  const hello = readHello(new Reader(Buffer.concat(handshake).subarray(4, need)));
  return hello === null ? NOT_TLS : { kind: "hello", hello };
}

/** Vectors of a handshake message; a read past the end gives null and ends the reading. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  take(count: number): Buffer | null {
    if (this.#at + count > this.#bytes.length) return null;
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  number(width: 1 | 2): number {
    return this.take(width)?.readUIntBE(0, width) ?? -1;
  }

  /** A vector whose length stands before it in `width` bytes. */
  vector(width: 1 | 2): Buffer | null {
    const length = this.number(width);
    return length < 0 ? null : this.take(length);
  }
}

/** Null when the message is cut short or malformed. */
function readHello(reader: Reader): ClientHello | null {
  const fixed = reader.take(34);
  const session = reader.vector(1);
  const ciphers = reader.vector(2);
  const compression = reader.vector(1);
  if (fixed === null || session === null || ciphers === null || compression === null) return null;
  let serverName = "";
  let alpn: readonly string[] = [];
  if (reader.done) return { serverName, alpn };
  const extensions = reader.vector(2);
  if (extensions === null) return null;
  const each = new Reader(extensions);
  while (!each.done) {
    const type = each.number(2);
    const body = each.vector(2);
    if (body === null) return null;
    if (type === SERVER_NAME) serverName = hostName(body) ?? "";
    else if (type === ALPN) alpn = protocolNames(body);
  }
  return { serverName, alpn };
}

function hostName(extension: Buffer): string | null {
  const list = new Reader(extension).vector(2);
  if (list === null) return null;
  const names = new Reader(list);
  while (!names.done) {
    const type = names.number(1);
    const name = names.vector(2);
    if (name === null) return null;
    if (type === 0) return name.toString("latin1").toLowerCase();
  }
  return null;
}

function protocolNames(extension: Buffer): string[] {
  const list = new Reader(new Reader(extension).vector(2) ?? Buffer.alloc(0));
  const names: string[] = [];
  while (!list.done) {
    const name = list.vector(1);
    if (name === null) break;
    names.push(name.toString("latin1"));
  }
  return names;
}

/** Longest request line that is looked at for its version. */
const REQUEST_LINE_BYTES_MAX = 8_192;
const H2_PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/**
 * The protocol that plaintext bytes begin with, as Envoy's HTTP inspector names it: "h2c",
 * "http/1.1", "http/1.0", "" = none of them; null = more bytes are needed.
 */
export function readHttpVersion(bytes: Buffer): string | null {
  const same = Math.min(bytes.length, H2_PREFACE.length);
  if (bytes.subarray(0, same).equals(H2_PREFACE.subarray(0, same))) {
    return same === H2_PREFACE.length ? "h2c" : null;
  }
  const end = bytes.subarray(0, REQUEST_LINE_BYTES_MAX).indexOf("\n");
  if (end < 0) return bytes.length < REQUEST_LINE_BYTES_MAX ? null : "";
  const line = bytes.toString("latin1", 0, end).replace(/\r$/, "");
  const version = /^[!-~]+ [!-~]+ HTTP\/1\.([01])$/.exec(line)?.[1];
  return version === undefined ? "" : `http/1.${version}`;
}
