/** What `granary.await` gives the guest: a status, the result's bytes, maps and buffers. */
import { STATUS } from "../../abi/enums.ts";
import { type Callout, type CalloutEvent, HttpCallout } from "../callout-kinds.ts";
import type { CalloutResult } from "../callout-result.ts";

export interface Answer {
  /** A STATUS. */
  readonly status: number;
  readonly bytes: Uint8Array;
  /** Maps and buffers until the next await. */
  readonly result: CalloutResult | null;
  /** What proxy_get_status tells; null = the code stays what it was. */
  readonly statusCode: number | null;
  readonly statusMessage: string;
}

const NOTHING = new Uint8Array(0);

/** The time of a sleep is over. */
export const SLEPT: Answer = {
  status: STATUS.ok,
  bytes: NOTHING,
  result: null,
  statusCode: null,
  statusMessage: "",
};

/** There is no answer; `reason` is what proxy_get_status says. */
export function failedAnswer(reason: string): Answer {
  return { ...SLEPT, status: STATUS.internalFailure, statusMessage: reason };
}

/**
 * HTTP: headers, bytes of the body, trailers. gRPC: status, bytes of the message. All of them 32
 * bits, little-endian.
 */
export function answerOf(callout: Callout, event: CalloutEvent): Answer {
  const { result, statusCode, statusMessage } = event;
  const numbers =
    callout instanceof HttpCallout
      ? [result.count, result.bodySize, result.trailerCount]
      : grpcNumbers(event);
  const bytes = new Uint8Array(numbers.length * 4);
  const view = new DataView(bytes.buffer);
  numbers.forEach((number, index) => {
    view.setUint32(index * 4, number, true);
  });
  return { status: STATUS.ok, bytes, result, statusCode, statusMessage };
}

function grpcNumbers({ entry, result }: CalloutEvent): readonly number[] {
  return entry.name === "proxy_on_grpc_receive" ? [0, result.count] : [result.count, 0];
}
