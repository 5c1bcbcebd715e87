/** The callout role of a thread: records what a VM starts, for the test to answer. */
import { HeaderMap } from "../../src/http/header-map.ts";
import type {
  GrpcEvents,
  GrpcRequest,
  HttpCallEvents,
  HttpCallRequest,
} from "../../src/vm/roles.ts";

/** A callout that the VM started, for the test to answer. */
export class FakeHttpCall {
  readonly request: HttpCallRequest;
  readonly events: HttpCallEvents;
  cancelled = false;

  constructor(request: HttpCallRequest, events: HttpCallEvents) {
    this.request = request;
    this.events = events;
  }

  /** Answers with a status, a body and perhaps trailers. */
  reply(status: string, body = "", trailers: HeaderMap | null = null): void {
    const headers = HeaderMap.of([
      [":status", status],
      ["x-answer", "yes"],
    ]);
    this.events.onHttpReply({ headers, body: Buffer.from(body, "latin1"), trailers });
  }

  cancel = (): void => {
    this.cancelled = true;
  };
}

/** A gRPC call or stream that the VM started. `sent` has one line for each message. */
export class FakeGrpcCall {
  readonly request: GrpcRequest;
  readonly events: GrpcEvents;
  readonly sent: string[] = [];
  cancelled = false;
  closed = false;

  constructor(request: GrpcRequest, events: GrpcEvents) {
    this.request = request;
    this.events = events;
  }

  send = (message: Uint8Array, endStream: boolean): void => {
    if (this.closed) return;
    this.sent.push(Buffer.from(message).toString("latin1") + (endStream ? " end" : ""));
    this.closed = endStream;
  };

  closeLocal = (): void => {
    this.closed = true;
  };

  cancel = (): void => {
    this.cancelled = true;
  };
}

/** Upstreams: `known` exists, `down` exists and refuses. */
export class FakeCallouts {
  readonly calls: FakeHttpCall[] = [];
  readonly grpcCalls: FakeGrpcCall[] = [];
  refusedCount = 0;
  /** Runs in the middle of a start, to see what an answer that comes at once does. */
  onStart: (call: FakeHttpCall) => void = () => undefined;

  hasCluster = (name: string): boolean => name === "known" || name === "down";

  httpCall = (request: HttpCallRequest, events: HttpCallEvents): FakeHttpCall | null => {
    if (request.cluster === "down") return null;
    const call = new FakeHttpCall(request, events);
    this.calls.push(call);
    this.onStart(call);
    return call;
  };

  grpcCall = (request: GrpcRequest, events: GrpcEvents): FakeGrpcCall | null => {
    if (request.cluster === "down") return null;
    const call = new FakeGrpcCall(request, events);
    this.grpcCalls.push(call);
    return call;
  };

  refused = (): void => {
    this.refusedCount++;
  };
}
