// Adds the response header `x-greeting` with the plugin's configuration as value, and counts the
// responses in the metric `greeting_requests`.
export * from "../callbacks";
import {
  Context,
  Counter,
  FilterHeadersStatusValues,
  RootContext,
  registerRootContext,
  stream_context,
} from "@gcoredev/proxy-wasm-sdk-as/assembly";

class GreetingRoot extends RootContext {
  requests: Counter = new Counter("greeting_requests");

  createContext(context_id: u32): Context {
    return new Greeting(context_id, this);
  }
}

class Greeting extends Context {
  root: GreetingRoot;

  constructor(context_id: u32, root: GreetingRoot) {
    super(context_id, root);
    this.root = root;
  }

  onResponseHeaders(_count: u32, _end_of_stream: bool): FilterHeadersStatusValues {
    stream_context.headers.response.add("x-greeting", this.root.getConfiguration());
    this.root.requests.increment(1);
    return FilterHeadersStatusValues.Continue;
  }
}

registerRootContext((context_id: u32) => new GreetingRoot(context_id), "greeting");
