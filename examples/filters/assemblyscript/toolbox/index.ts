// One filter with many behaviours, chosen per request by the header `x-test`. The Rust and the Go
// toolbox do the same; test/conformance/expectations.ts says what a client and an upstream then
// see, and what this SDK cannot do.
export * from "@gcoredev/proxy-wasm-sdk-as/assembly/proxy";
import { Context, registerRootContext } from "@gcoredev/proxy-wasm-sdk-as/assembly";
import { ToolboxRoot } from "./root";
import { ToolboxStream } from "./stream";

class Toolbox extends ToolboxRoot {
  createContext(context_id: u32): Context {
    return new ToolboxStream(context_id, this);
  }
}

registerRootContext((context_id: u32) => new Toolbox(context_id), "toolbox");
