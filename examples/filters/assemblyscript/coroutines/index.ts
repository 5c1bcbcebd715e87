// Asks an authorization service in the middle of a header callback, and asks again when the service
// is busy: after 20 ms, 40 ms and 80 ms. The same as examples/coroutines/rust.
export * from "../callbacks";
import {
  Context,
  FilterHeadersStatusValues,
  GrpcStatusValues,
  RootContext,
  registerRootContext,
  send_local_response,
  stream_context,
} from "@gcoredev/proxy-wasm-sdk-as/assembly";
import { httpGet, sleep } from "./wait";

const SERVICE = "auth";
const TIMEOUT_MS: u32 = 500;
const FIRST_PAUSE_MS: u32 = 20;
const ATTEMPTS = 4;

// Never called: the proxy sees by it that this module has coroutines.
export function granary_coroutines(): void {}

class CoroutinesRoot extends RootContext {
  createContext(context_id: u32): Context {
    return new CoroutinesStream(context_id, this);
  }
}

function refuse(status: u32, body: ArrayBuffer): FilterHeadersStatusValues {
  send_local_response(status, "", body, [], GrpcStatusValues.InvalidCode);
  return FilterHeadersStatusValues.StopIteration;
}

class CoroutinesStream extends Context {
  onRequestHeaders(_count: u32, _end_of_stream: bool): FilterHeadersStatusValues {
    const request = stream_context.headers.request;
    // What only the service may say.
    request.remove("x-user");
    const question: string[][] = [
      [":method", "GET"],
      [":path", "/check"],
      [":authority", SERVICE],
      ["x-original-path", request.get(":path")],
      ["authorization", request.get("authorization")],
    ];
    let pause = FIRST_PAUSE_MS;
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const answer = httpGet(SERVICE, question, TIMEOUT_MS);
      const status = answer === null ? "503" : answer.header(":status");
      if (status == "200") {
        request.replace("x-user", answer!.header("x-user"));
        request.replace("x-attempts", attempt.toString());
        return FilterHeadersStatusValues.Continue;
      }
      if (status != "503") return refuse(<u32>parseInt(status), answer!.body());
      if (attempt == ATTEMPTS || !sleep(pause)) break;
      pause *= 2;
    }
    return refuse(503, String.UTF8.encode("authorization unavailable\n"));
  }
}

registerRootContext((context_id: u32) => new CoroutinesRoot(context_id), "filter");
