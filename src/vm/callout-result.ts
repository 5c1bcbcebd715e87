/**
 * What one callback of a callout shows the guest: header maps 4-7, buffers 4 and 5, and the numbers
 * that the callback takes. Made per callback, dead when it has returned. Source: ABI 2.8, 4.4, 4.5.
 */
import { BUFFER_TYPE, MAP_TYPE } from "../abi/enums.ts";
import { HeaderMap } from "../http/header-map.ts";
import type { HttpCallReply } from "./roles.ts";

const FIRST_MAP = MAP_TYPE.grpcInitialMetadata;

export class CalloutResult {
  /** Third parameter of the callback: headers of an HTTP answer, and the like. */
  readonly count: number;
  /** Bytes of the body of an HTTP answer. */
  readonly bodySize: number;
  /** Trailers of an HTTP answer. */
  readonly trailerCount: number;
  readonly #maps: readonly (HeaderMap | null)[];
  readonly #bufferType: number;
  readonly #bytes: Uint8Array | null;

  constructor(parts: CalloutParts) {
    this.count = parts.count;
    this.bodySize = parts.bufferType === BUFFER_TYPE.callResponseBody ? sizeOf(parts.bytes) : 0;
    this.#maps = parts.maps;
    this.#bufferType = parts.bufferType;
    this.#bytes = parts.bytes;
    this.trailerCount = parts.maps[MAP_TYPE.callResponseTrailers - FIRST_MAP]?.count ?? 0;
  }

  /** Header map `type`, or null when this callback does not have it. */
  map(type: number): HeaderMap | null {
    return this.#maps[type - FIRST_MAP] ?? null;
  }

  /** Buffer `type`, or null when this callback does not have it. */
  buffer(type: number): Uint8Array | null {
    return type === this.#bufferType ? this.#bytes : null;
  }
}

interface CalloutParts {
  readonly count: number;
  /** Maps 4 to 7. */
  readonly maps: readonly (HeaderMap | null)[];
  readonly bufferType: number;
  readonly bytes: Uint8Array | null;
}

function sizeOf(bytes: Uint8Array | null): number {
  return bytes === null ? 0 : bytes.byteLength;
}

/** The answer of an HTTP callout; null = it failed, all is empty and there is no body. */
export function httpResult(reply: HttpCallReply | null): CalloutResult {
  const headers = reply?.headers ?? new HeaderMap();
  // Empty rather than missing: asking for a map that is not there ends guests of the Rust SDK.
  const trailers = reply?.trailers ?? new HeaderMap();
  return new CalloutResult({
    count: headers.count,
    maps: [null, null, headers, trailers],
    bufferType: BUFFER_TYPE.callResponseBody,
    bytes: reply?.body ?? null,
  });
}

/** One callback of a gRPC callout; `count` is its third parameter. */
export function grpcResult(
  count: number,
  maps: { readonly initial: HeaderMap | null; readonly trailing: HeaderMap | null },
  message: Uint8Array | null,
): CalloutResult {
  return new CalloutResult({
    count,
    maps: [maps.initial, maps.trailing, null, null],
    bufferType: BUFFER_TYPE.grpcMessage,
    bytes: message,
  });
}
