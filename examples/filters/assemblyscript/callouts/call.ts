// A call to another service, and its answer in one line.
import {
  BaseContext,
  BufferTypeValues,
  HeaderPair,
  Headers,
  RootContext,
  WasmResultValues,
  get_buffer_bytes,
  makeHeaderPair,
  stream_context,
} from "@gcoredev/proxy-wasm-sdk-as/assembly";
import { get_status } from "@gcoredev/proxy-wasm-sdk-as/assembly/runtime";

const BODY_SHOWN_BYTES: u32 = 200;

export type Answered = (
  origin: BaseContext,
  headers: u32,
  body_size: usize,
  trailers: u32,
) => void;

// What every call of a request has beside its target; an empty text stands for none.
export class Extras {
  body: string = "";
  trailer: string = "";
  dropped: string = "";
}

// Starts the call that `text` (cluster|path|timeout) describes.
export function call(
  text: string,
  extras: Extras,
  root: RootContext,
  origin: BaseContext,
  then: Answered,
): WasmResultValues {
  const parts = text.split("|");
  const path = parts.length > 1 ? parts[1] : "/";
  const timeout = parts.length > 2 ? <u32>parseInt(parts[2]) : 1000;
  const method = extras.body == "" ? "GET" : "POST";
  const all: HeaderPair[] = [
    makeHeaderPair(":method", method),
    makeHeaderPair(":path", path),
    makeHeaderPair(":authority", "callout.example"),
    makeHeaderPair("x-from", "callouts"),
  ];
  const headers: Headers = [];
  for (let i = 0; i < all.length; i++) {
    if (String.UTF8.decode(all[i].key) != extras.dropped) headers.push(all[i]);
  }
  const trailers: Headers = [];
  if (extras.trailer != "") trailers.push(makeHeaderPair("x-trailer", extras.trailer));
  const body = String.UTF8.encode(extras.body);
  return root.httpCall(parts[0], headers, body, trailers, timeout, origin, then);
}

export function refused(result: WasmResultValues): string {
  return "refused " + (<u32>result).toString();
}

function pairsText(pairs: Headers): string {
  const texts: string[] = [];
  for (let i = 0; i < pairs.length; i++) {
    texts.push(String.UTF8.decode(pairs[i].key) + "=" + String.UTF8.decode(pairs[i].value));
  }
  return texts.join(" ");
}

// What the answer of the running callback is, in one line. The SDK cannot take apart an empty map.
export function report(headers: u32, body_size: u32, trailers: u32): string {
  const body = get_buffer_bytes(BufferTypeValues.HttpCallResponseBody, 0, BODY_SHOWN_BYTES);
  const names = headers == 0 ? "" : pairsText(stream_context.headers.http_callback.get_headers());
  const ends = trailers == 0 ? "" : pairsText(stream_context.trailers.http_callback.get_headers());
  const status = get_status();
  const message = String.UTF8.decode(status.data);
  const text = body_size == 0 ? "" : String.UTF8.decode(body);
  const seen = `(${headers},${body_size},${trailers}) [${names}] "${text}" [${ends}]`;
  return `${seen} ${status.status} "${message}"`;
}
