/**
 * What a silo tells the tap writer of one stream, as it lies in the ring. Bodies stay where they
 * are: the record says where in the silo's body slab, and the silo holds those chunks for the
 * writer.
 */
import type { TapFormat } from "../../config/types.ts";

export type TapRecord = readonly [
  format: TapFormat,
  pathPrefix: string,
  /** Decimal, 64 bits: of the stream, the same in all of its taps. */
  id: string,
  request: TapMessage,
  /** Null: there was none. */
  response: TapMessage | null,
  connection: TapConnection | null,
];

export type TapMessage = readonly [
  /** Names and values in turn, one code unit per byte. */
  headers: readonly string[],
  trailers: readonly string[],
  /** When the headers came, in milliseconds since the epoch; -1 = not recorded. */
  receivedMs: number,
  isTruncated: boolean,
  /** Offset in the slab and length in turn, a held chunk each. */
  body: readonly number[],
];

export type TapConnection = readonly [
  localIp: string,
  localPort: number,
  remoteIp: string,
  remotePort: number,
];
