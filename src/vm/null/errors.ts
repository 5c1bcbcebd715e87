/** What the API throws and rejects with. */
import { STATUS } from "../../abi/enums.ts";
import type { CallError } from "./api.ts";

const STATUS_NAMES = new Map<number, string>(
  Object.entries(STATUS).map(([name, status]) => [status, name]),
);

/** A hostcall that answered anything but OK, where the API has no result that says so. */
export class HostcallError extends Error {
  override readonly name = "HostcallError";
  readonly hostcall: string;
  readonly status: string;

  constructor(hostcall: string, status: number) {
    const text = STATUS_NAMES.get(status) ?? String(status);
    super(`${hostcall}: ${text}`);
    this.hostcall = hostcall;
    this.status = text;
  }
}

export class CalloutError extends Error implements CallError {
  override readonly name = "CalloutError";
  readonly status = -1;
}

/** `status` is that of the gRPC call. */
export class GrpcError extends Error implements CallError {
  override readonly name = "GrpcError";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message === "" ? `gRPC status ${status}` : message);
    this.status = status;
  }
}

/** The stream or the plugin that a handler works for is gone. */
export class ContextEndedError extends Error implements CallError {
  override readonly name = "ContextEndedError";
  readonly status = -1;

  constructor() {
    super("the stream or plugin of this context has ended");
  }
}
