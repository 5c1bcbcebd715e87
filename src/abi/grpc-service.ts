/**
 * The part of `envoy.config.core.v3.GrpcService` that names an upstream, read from the bytes that a
 * guest passes to `proxy_grpc_call`. Every other field is skipped. Source: ABI 3.11; protobuf wire
 * format.
 */
import { latin1Bytes } from "./latin1.ts";

export interface GrpcServiceTarget {
  /** `envoy_grpc.cluster_name`. */
  readonly cluster: string;
  /** `envoy_grpc.authority`; "" when it is not given. */
  readonly authority: string;
  /** `initial_metadata`, in order. */
  readonly metadata: readonly (readonly [name: string, value: string])[];
}

const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;
const VARINT_BYTES_MAX = 10;
/** Fields of GrpcService, EnvoyGrpc and HeaderValue. */
const ENVOY_GRPC = 1;
const INITIAL_METADATA = 5;
const NAME = 1;
const VALUE = 2;

/** Calls `field` for each length-delimited field; false when the bytes are no message. */
function readMessage(
  bytes: Uint8Array,
  field: (number: number, value: Uint8Array) => void,
): boolean {
  const cursor = { at: 0 };
  while (cursor.at < bytes.byteLength) {
    const tag = readVarint(bytes, cursor);
    const number = Math.floor(tag / 8);
    if (tag < 0 || number === 0) return false;
    const wire = tag % 8;
    if (wire === WIRE.varint) {
      if (readVarint(bytes, cursor) < 0) return false;
    } else if (wire === WIRE.fixed64) cursor.at += 8;
    else if (wire === WIRE.fixed32) cursor.at += 4;
    else if (wire === WIRE.bytes) {
      const length = readVarint(bytes, cursor);
      if (length < 0 || length > bytes.byteLength - cursor.at) return false;
      field(number, bytes.subarray(cursor.at, cursor.at + length));
      cursor.at += length;
    } else return false;
  }
  return cursor.at === bytes.byteLength;
}

function latin1Of(bytes: Uint8Array): string {
  return latin1Bytes(bytes.buffer, bytes.byteOffset, bytes.byteLength).latin1Slice(
    0,
    bytes.byteLength,
  );
}

/** A varint as a number (exact below 2^53), or -1. */
function readVarint(bytes: Uint8Array, cursor: { at: number }): number {
  let value = 0;
  for (let i = 0; i < VARINT_BYTES_MAX; i++) {
    const byte = bytes[cursor.at + i];
    if (byte === undefined) return -1;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) {
      cursor.at += i + 1;
      return value;
    }
  }
  return -1;
}

/** Null when the bytes are no such message, or name no upstream of Envoy's own client. */
export function decodeGrpcService(bytes: Uint8Array): GrpcServiceTarget | null {
  let cluster = "";
  let authority = "";
  const metadata: [string, string][] = [];
  let isGood = true;
  const whole = readMessage(bytes, (number, value) => {
    if (number === ENVOY_GRPC) {
      const inner = readMessage(value, (name, text) => {
        if (name === NAME) cluster = latin1Of(text);
        else if (name === VALUE) authority = latin1Of(text);
      });
      isGood &&= inner;
    } else if (number === INITIAL_METADATA) {
      const pair: [string, string] = ["", ""];
      isGood &&= readMessage(value, (name, text) => {
        if (name === NAME) pair[0] = latin1Of(text);
        else if (name === VALUE) pair[1] = latin1Of(text);
      });
      metadata.push(pair);
    }
  });
  return whole && isGood && cluster !== "" ? { cluster, authority, metadata } : null;
}
