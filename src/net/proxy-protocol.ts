/**
 * The header that a load balancer writes in front of a connection: who the client really is. Both
 * versions. Pure. Source: HAProxy, The PROXY protocol, versions 1 and 2.
 *
 * version 2: | 12 bytes signature | version 4 bits, command 4 bits | family 4, transport 4 |
 *            | length, 2 bytes | addresses | TLVs |
 */
import { isIPv4, isIPv6 } from "node:net";
import { LIMITS } from "../base/limits.ts";

export interface ProxiedAddresses {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
}

export type ProxyHeader =
  | { readonly kind: "incomplete" }
  /** The bytes are no PROXY header. */
  | { readonly kind: "absent" }
  | { readonly kind: "invalid" }
  | {
      readonly kind: "found";
      readonly version: 1 | 2;
      /** Bytes of the header. */
      readonly byteLength: number;
      /** Null: the header says that the connection's own addresses hold. */
      readonly addresses: ProxiedAddresses | null;
    };

const INCOMPLETE = { kind: "incomplete" } as const;
const ABSENT = { kind: "absent" } as const;
const INVALID = { kind: "invalid" } as const;

const V1_START = Buffer.from("PROXY ", "latin1");
/** Line end included. Source: the specification, section 2.1. */
const V1_BYTES_MAX = 107;
const V2_START = Buffer.from("0d0a0d0a000d0a515549540a", "hex");
const V2_HEAD_BYTES = 16;
const V4_BYTES = 12;
const V6_BYTES = 36;

export function readProxyHeader(bytes: Buffer): ProxyHeader {
  if (startsAlike(bytes, V2_START)) {
    return bytes.length < V2_HEAD_BYTES ? INCOMPLETE : readVersion2(bytes);
  }
  if (startsAlike(bytes, V1_START)) return readVersion1(bytes);
  return ABSENT;
}

function startsAlike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.subarray(0, length).equals(start.subarray(0, length));
}

function readVersion1(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, V1_BYTES_MAX).indexOf("\r\n");
  if (end < 0) return bytes.length < V1_BYTES_MAX ? INCOMPLETE : INVALID;
  const line = bytes.toString("latin1", 0, end);
  const byteLength = end + 2;
  const [, family = "", source = "", target = "", sourcePort, targetPort, more] = line.split(" ");
  if (family === "UNKNOWN") return { kind: "found", version: 1, byteLength, addresses: null };
  const isAddress = family === "TCP4" ? isIPv4 : family === "TCP6" ? isIPv6 : null;
  const remotePort = portOf(sourcePort);
  const localPort = portOf(targetPort);
  if (isAddress === null || !isAddress(source) || !isAddress(target)) return INVALID;
  if (remotePort < 0 || localPort < 0 || more !== undefined) return INVALID;
  const addresses = {
    remoteAddress: source,
    remotePort,
    localAddress: target,
    localPort,
  };
  return { kind: "found", version: 1, byteLength, addresses };
}

function portOf(text: string | undefined): number {
  if (text === undefined || !/^(0|[1-9]\d{0,4})$/.test(text)) return -1;
  const port = Number(text);
  return port <= 65_535 ? port : -1;
}

function readVersion2(bytes: Buffer): ProxyHeader {
  const command = bytes[12] as number;
  const protocol = bytes[13] as number;
  const length = bytes.readUInt16BE(14);
  const byteLength = V2_HEAD_BYTES + length;
  if (command !== 0x20 && command !== 0x21) return INVALID;
  if (byteLength > LIMITS.proxyHeaderBytes) return INVALID;
  const transport = protocol & 0x0f;
  const family = protocol >> 4;
  const size = family === 1 ? V4_BYTES : family === 2 ? V6_BYTES : 0;
  const isLocal = command === 0x20;
  // TCP and UDP over IPv4 and IPv6, as in Envoy.
  if (!isLocal && (size === 0 || length < size || transport < 1 || transport > 2)) return INVALID;
  if (bytes.length < byteLength) return INCOMPLETE;
  const addresses = isLocal ? null : addressesAt(bytes, size);
  return { kind: "found", version: 2, byteLength, addresses };
}

function addressesAt(bytes: Buffer, size: number): ProxiedAddresses {
  const width = (size - 4) / 2;
  const ports = V2_HEAD_BYTES + 2 * width;
  return {
    remoteAddress: addressText(bytes.subarray(V2_HEAD_BYTES, V2_HEAD_BYTES + width)),
    remotePort: bytes.readUInt16BE(ports),
    localAddress: addressText(bytes.subarray(V2_HEAD_BYTES + width, ports)),
    localPort: bytes.readUInt16BE(ports + 2),
  };
}

function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(bytes.readUInt16BE(i).toString(16));
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}
