// `granary.sleep` and `granary.await` for AssemblyScript filters. Copy this file.
//
// Calls here return when the answer is there: the proxy suspends the filter meanwhile and serves
// others. They work in the callbacks of streams, ticks and callouts, not at start or in `onLog`.
import {
  BufferTypeValues,
  get_buffer_bytes,
  stream_context,
} from "@gcoredev/proxy-wasm-sdk-as/assembly";
import {
  proxy_call_foreign_function,
  proxy_http_call,
} from "@gcoredev/proxy-wasm-sdk-as/assembly/imports";
import { free } from "@gcoredev/proxy-wasm-sdk-as/assembly/malloc";

const OK: u32 = 0;

// Where the host puts results: an address and a size, or a token.
const result = new StaticArray<u32>(2);

// What a foreign function gives; null when it fails. The host allocates it
// by the SDK's `malloc`: it is an ArrayBuffer that is held until it is freed.
function foreign(name: string, argument: u32): ArrayBuffer | null {
  const text = String.UTF8.encode(name);
  const words = new StaticArray<u32>(1);
  words[0] = argument;
  result[0] = 0;
  result[1] = 0;
  const at = changetype<usize>(result);
  const status = proxy_call_foreign_function(
    changetype<usize>(text),
    text.byteLength,
    changetype<usize>(words),
    4,
    at,
    at + 4,
  );
  if (<u32>status != OK) return null;
  if (result[1] == 0) return new ArrayBuffer(0);
  const bytes = changetype<ArrayBuffer>(<usize>result[0]);
  free(result[0]);
  return bytes;
}

// Waits for a sleep or a callout; its numbers, or null when there is no answer.
function waitFor(token: u32): Uint32Array | null {
  const bytes = foreign("granary.await", token);
  return bytes === null ? null : Uint32Array.wrap(bytes);
}

// False: the sleep was cut short, because the stream has ended for example.
export function sleep(ms: u32): bool {
  const token = foreign("granary.sleep", ms);
  return token !== null && waitFor(Uint32Array.wrap(token)[0]) !== null;
}

// The answer to a request. It can be read until the next wait.
export class Answer {
  bodySize: u32;

  constructor(bodySize: u32) {
    this.bodySize = bodySize;
  }

  header(name: string): string {
    return stream_context.headers.http_callback.get(name);
  }

  body(): ArrayBuffer {
    return get_buffer_bytes(BufferTypeValues.HttpCallResponseBody, 0, this.bodySize);
  }
}

// Header lists as the ABI has them: count, lengths, then texts with a zero behind each.
function pairs(headers: string[][]): ArrayBuffer {
  let size = 4;
  for (let i = 0; i < headers.length; i++) {
    for (let part = 0; part < 2; part++) size += 5 + String.UTF8.byteLength(headers[i][part]);
  }
  const bytes = new ArrayBuffer(size);
  const view = new DataView(bytes);
  view.setUint32(0, headers.length, true);
  let at = 4 + 8 * headers.length;
  for (let i = 0; i < headers.length; i++) {
    for (let part = 0; part < 2; part++) {
      const text = String.UTF8.encode(headers[i][part]);
      view.setUint32(4 + 8 * i + 4 * part, text.byteLength, true);
      memory.copy(changetype<usize>(bytes) + at, changetype<usize>(text), text.byteLength);
      at += text.byteLength + 1;
    }
  }
  return bytes;
}

// Asks `upstream`, by the name of its cluster. Null: it could not be asked, or the call was reset.
//
// The hostcall is the bare one: the SDK's would keep a note of each call until its callback, and an
// awaited call has none.
export function httpGet(upstream: string, headers: string[][], timeoutMs: u32): Answer | null {
  const name = String.UTF8.encode(upstream);
  const list = pairs(headers);
  const at = changetype<usize>(result);
  const status = proxy_http_call(
    changetype<usize>(name),
    name.byteLength,
    changetype<usize>(list),
    list.byteLength,
    0,
    0,
    0,
    0,
    timeoutMs,
    at,
  );
  if (<u32>status != OK) return null;
  const numbers = waitFor(result[0]);
  if (numbers === null || numbers[0] == 0) return null;
  return new Answer(numbers[1]);
}
