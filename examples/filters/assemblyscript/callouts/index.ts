// Asks other services while a request waits, as the Rust filter of this name does. What is asked is
// told by request headers:
//
// - x-call: cluster|path|timeout in ms, several separated by ";"
// - x-call-body: the body of every call; x-call-trailer: a trailer of every call
// - x-call-drop: a header that is left out of every call
// - x-call-phase: request (default), body, response
// - x-call-then: report (default) answers with what came back, continue goes on with the header
//   x-answers, forget does not wait at all
//
// The plugin configuration, when there is one, is a call that the root makes when it is configured;
// it logs the answer. The SDK knows no gRPC.
export * from "../callbacks";
import {
  BaseContext,
  Context,
  LogLevelValues,
  RootContext,
  WasmResultValues,
  log,
  registerRootContext,
} from "@gcoredev/proxy-wasm-sdk-as/assembly";
import { Extras, call, refused, report } from "./call";
import { CalloutsStream } from "./stream";

class CalloutsRoot extends RootContext {
  onConfigure(size: u32): bool {
    super.onConfigure(size);
    if (size == 0) return true;
    const result = call(this.getConfiguration(), new Extras(), this, this, answered);
    const started = result == WasmResultValues.Ok ? "ok" : refused(result);
    log(LogLevelValues.info, "root: started " + started);
    return true;
  }

  createContext(context_id: u32): Context {
    return new CalloutsStream(context_id, this);
  }
}

function answered(_origin: BaseContext, headers: u32, body_size: usize, trailers: u32): void {
  log(LogLevelValues.info, "root: " + report(headers, <u32>body_size, trailers));
}

registerRootContext((context_id: u32) => new CalloutsRoot(context_id), "callouts");
