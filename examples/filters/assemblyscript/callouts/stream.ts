// One request that asks.
import {
  BaseContext,
  Context,
  FilterDataStatusValues,
  FilterHeadersStatusValues,
  GrpcStatusValues,
  RootContext,
  WasmResultValues,
  continue_request,
  continue_response,
  makeHeaderPair,
  send_local_response,
  stream_context,
} from "@gcoredev/proxy-wasm-sdk-as/assembly";
import { Extras, call, refused, report } from "./call";

export class CalloutsStream extends Context {
  root: RootContext;
  calls: string = "";
  extras: Extras = new Extras();
  phase: string = "";
  then: string = "";
  outstanding: u32 = 0;
  answers: string[] = [];

  constructor(context_id: u32, root: RootContext) {
    super(context_id, root);
    this.root = root;
  }

  onRequestHeaders(_count: u32, _end_of_stream: bool): FilterHeadersStatusValues {
    const headers = stream_context.headers.request;
    this.calls = headers.get("x-call");
    this.extras.body = headers.get("x-call-body");
    this.extras.trailer = headers.get("x-call-trailer");
    this.extras.dropped = headers.get("x-call-drop");
    const phase = headers.get("x-call-phase");
    this.phase = phase == "" ? "request" : phase;
    this.then = headers.get("x-call-then");
    return this.phase == "request" && this.waits()
      ? FilterHeadersStatusValues.StopIteration
      : FilterHeadersStatusValues.Continue;
  }

  onRequestBody(_size: usize, end_of_stream: bool): FilterDataStatusValues {
    return this.phase == "body" && end_of_stream && this.waits()
      ? FilterDataStatusValues.StopIterationAndBuffer
      : FilterDataStatusValues.Continue;
  }

  onResponseHeaders(_count: u32, _end_of_stream: bool): FilterHeadersStatusValues {
    return this.phase == "response" && this.waits()
      ? FilterHeadersStatusValues.StopIteration
      : FilterHeadersStatusValues.Continue;
  }

  // Makes the calls; whether the stream has to wait for them.
  private waits(): bool {
    const calls = this.calls.split(";");
    this.calls = "";
    for (let i = 0; i < calls.length; i++) {
      if (calls[i] == "") continue;
      const result = call(calls[i], this.extras, this.root, this, answered);
      if (result == WasmResultValues.Ok) this.outstanding++;
      else this.answers.push(refused(result));
    }
    if (this.then == "forget") return false;
    if (this.outstanding > 0) return true;
    if (this.answers.length == 0) return false;
    this.finish();
    return true;
  }

  answer(text: string): void {
    this.outstanding--;
    this.answers.push(text);
    if (this.outstanding == 0 && this.then != "forget") this.finish();
  }

  private finish(): void {
    const count = this.answers.length.toString();
    if (this.then != "continue") {
      const body = String.UTF8.encode(this.answers.join("\n"));
      const headers = [makeHeaderPair("x-report", "1")];
      send_local_response(200, "", body, headers, GrpcStatusValues.InvalidCode);
    } else if (this.phase == "response") {
      stream_context.headers.response.replace("x-answers", count);
      continue_response();
    } else {
      if (this.phase == "request") stream_context.headers.request.replace("x-answers", count);
      continue_request();
    }
  }
}

// The SDK has made the stream that called the effective context.
function answered(origin: BaseContext, headers: u32, body_size: usize, trailers: u32): void {
  changetype<CalloutsStream>(origin).answer(report(headers, <u32>body_size, trailers));
}
