// What a paused stream does when the tick wakes it. The stream is the effective context here.
import {
  GrpcStatusValues,
  WasmResultValues,
  continue_request,
  continue_response,
  makeHeaderPair,
  send_local_response,
  stream_context,
} from "@gcoredev/proxy-wasm-sdk-as/assembly";

export enum Wake {
  RequestHeaders,
  RequestBody,
  ResponseHeaders,
  Reply,
  Trap,
}

export function wake(reason: Wake): void {
  switch (reason) {
    case Wake.RequestHeaders:
      stream_context.headers.request.add("x-resumed", "tick");
      must(continue_request());
      break;
    case Wake.RequestBody:
      must(continue_request());
      break;
    case Wake.ResponseHeaders:
      stream_context.headers.response.add("x-resumed", "tick");
      must(continue_response());
      break;
    case Wake.Reply:
      reply("tick");
      break;
    default:
      throw new Error("toolbox: trap in on_tick");
  }
}

export function reply(from: string): void {
  const body = String.UTF8.encode("reply from " + from);
  const headers = [makeHeaderPair("x-reply", from)];
  must(send_local_response(418, "", body, headers, GrpcStatusValues.InvalidCode));
}

// A refused hostcall becomes a trap, as in the Rust SDK.
export function must(result: WasmResultValues): void {
  if (result != WasmResultValues.Ok) throw new Error("toolbox: hostcall refused");
}
