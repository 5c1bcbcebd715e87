/**
 * Ranges of IP addresses (`10.0.0.0/8`, `2001:db8::/32`). Compiled once. Pure.
 */
import { isIP } from "node:net";

export interface CidrRange {
  /** IPv4 or IPv6, without brackets. */
  readonly address: string;
  /** Bits: 0..32 or 0..128. */
  readonly length: number;
}

export class Cidr {
  readonly length: number;
  readonly #bytes: Uint8Array;

  /** Throws on what is no address. */
  constructor(range: CidrRange) {
    const bytes = addressBytes(range.address);
    if (bytes === null) throw new Error(`${range.address} is not an IP address`);
    this.#bytes = bytes;
    this.length = Math.min(range.length, bytes.length * 8);
  }

  /** @param address what `addressBytes` gave */
  contains(address: Uint8Array): boolean {
    if (address.length !== this.#bytes.length) return false;
    for (let bit = 0; bit < this.length; bit += 8) {
      const index = bit >> 3;
      const differs = (address[index] as number) ^ (this.#bytes[index] as number);
      const left = this.length - bit;
      const mask = left >= 8 ? 0xff : (0xff << (8 - left)) & 0xff;
      if ((differs & mask) !== 0) return false;
    }
    return true;
  }
}

/** 4 or 16 bytes; IPv4 inside IPv6 (`::ffff:1.2.3.4`) counts as IPv4. Null for anything else. */
export function addressBytes(text: string): Uint8Array | null {
  const version = isIP(text);
  if (version === 0) return null;
  if (version === 4) return Uint8Array.from(text.split("."), Number);
  const bytes = ipv6Bytes(text.split("%")[0] as string);
  const mapped = bytes.subarray(0, 10).every((byte) => byte === 0);
  return mapped && bytes[10] === 0xff && bytes[11] === 0xff ? bytes.slice(12) : bytes;
}

function ipv6Bytes(text: string): Uint8Array {
  const [head = "", tail] = text.split("::");
  const front = groupBytes(head);
  const back = groupBytes(tail ?? "");
  const bytes = new Uint8Array(16);
  bytes.set(front, 0);
  bytes.set(back, 16 - back.length);
  return bytes;
}

function groupBytes(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (group.includes(".")) return group.split(".").map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}
