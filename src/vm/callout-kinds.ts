/**
 * The kinds of callouts: how what comes for each becomes callbacks of its root context. Ids are
 * cpp-host's: the low two bits tell the kind. Source: ABI 2.8, 3.10, 3.11.
 */
import { STATUS } from "../abi/enums.ts";
import type { HeaderMap } from "../http/header-map.ts";
import type { GuestEntry } from "./callbacks.ts";
import { type CalloutResult, grpcResult, httpResult } from "./callout-result.ts";
import type {
  GrpcEvents,
  HttpCallEvents,
  HttpCallReply,
  StartedCallout,
  StartedGrpc,
} from "./roles.ts";
import type { RootContext } from "./root-context.ts";

/** Low bits of an id. A sleep is no callout, but its token is of the same numbers. */
export const CALLOUT_KIND = { http: 0, grpcCall: 1, grpcStream: 2, sleep: 3 } as const;
const KIND_BITS = 3;

/** The kind of callout that `id` stands for. */
export function calloutKind(id: number): number {
  return id & KIND_BITS;
}

/** Something that came for a callout, as its callback shows it. */
export interface CalloutEvent {
  readonly entry: GuestEntry;
  readonly result: CalloutResult;
  /** What proxy_get_status tells meanwhile, and of the code also afterwards. */
  readonly statusCode: number;
  readonly statusMessage: string;
  /** The callout is over: its id is free again before the guest hears of it. */
  readonly isLast: boolean;
}

/** One callout that is under way. */
export abstract class Callout {
  readonly id: number;
  readonly root: RootContext;
  started: StartedCallout | null = null;

  constructor(id: number, root: RootContext) {
    this.id = id;
    this.root = root;
  }

  protected deliver(event: CalloutEvent): void {
    this.root.vm.callouts.deliver(this, event);
  }
}

const LAST = true;
const MORE = false;

export class HttpCallout extends Callout implements HttpCallEvents {
  onHttpReply(reply: HttpCallReply): void {
    this.#end(reply, this.root.statusCode, "");
  }

  onHttpFailure(): void {
    this.#end(null, STATUS.brokenConnection, "reset");
  }

  #end(reply: HttpCallReply | null, statusCode: number, statusMessage: string): void {
    const entry = this.root.vm.entries.proxy_on_http_call_response;
    const result = httpResult(reply);
    this.deliver({ entry, result, statusCode, statusMessage, isLast: LAST });
  }
}

const NO_METADATA = { initial: null, trailing: null };

/** A gRPC callout: what it sends goes through `grpc`. */
export abstract class GrpcCallout extends Callout implements GrpcEvents {
  grpc: StartedGrpc | null = null;

  abstract onGrpcInitialMetadata(metadata: HeaderMap): void;
  abstract onGrpcMessage(message: Uint8Array): void;
  abstract onGrpcTrailingMetadata(metadata: HeaderMap): void;
  abstract onGrpcClose(status: number, message: string): void;
}

/** One message each way: the guest hears of its answer, or of its failure, never of both. */
export class GrpcCall extends GrpcCallout {
  #message: Uint8Array | null = null;

  onGrpcInitialMetadata(_metadata: HeaderMap): void {
    // As in Envoy the guest of a call sees no metadata.
  }

  onGrpcMessage(message: Uint8Array): void {
    // As in Envoy the last one counts.
    this.#message = message;
  }

  onGrpcTrailingMetadata(_metadata: HeaderMap): void {
    // As the initial one.
  }

  onGrpcClose(status: number, message: string): void {
    const { entries } = this.root.vm;
    const { statusCode } = this.root;
    if (status === 0 && this.#message !== null) {
      const result = grpcResult(this.#message.byteLength, NO_METADATA, this.#message);
      const entry = entries.proxy_on_grpc_receive;
      this.deliver({ entry, result, statusCode, statusMessage: "", isLast: LAST });
      return;
    }
    // Success without a message is none.
    const code = status === 0 ? GRPC_INTERNAL : status;
    const result = grpcResult(code, NO_METADATA, null);
    const entry = entries.proxy_on_grpc_close;
    this.deliver({ entry, result, statusCode: code, statusMessage: message, isLast: LAST });
  }
}
const GRPC_INTERNAL = 13;

/** Any number of messages each way; the guest hears of everything. */
export class GrpcStream extends GrpcCallout {
  onGrpcInitialMetadata(metadata: HeaderMap): void {
    const result = grpcResult(metadata.count, { initial: metadata, trailing: null }, null);
    this.#tell(this.root.vm.entries.proxy_on_grpc_receive_initial_metadata, result);
  }

  onGrpcMessage(message: Uint8Array): void {
    const result = grpcResult(message.byteLength, NO_METADATA, message);
    this.#tell(this.root.vm.entries.proxy_on_grpc_receive, result);
  }

  onGrpcTrailingMetadata(metadata: HeaderMap): void {
    const result = grpcResult(metadata.count, { initial: null, trailing: metadata }, null);
    this.#tell(this.root.vm.entries.proxy_on_grpc_receive_trailing_metadata, result);
  }

  onGrpcClose(status: number, message: string): void {
    const entry = this.root.vm.entries.proxy_on_grpc_close;
    const result = grpcResult(status, NO_METADATA, null);
    this.deliver({ entry, result, statusCode: status, statusMessage: message, isLast: LAST });
  }

  #tell(entry: GuestEntry, result: CalloutResult): void {
    const { statusCode } = this.root;
    this.deliver({ entry, result, statusCode, statusMessage: "", isLast: MORE });
  }
}
