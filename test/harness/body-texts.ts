/** Body chunks and buffers as texts, for tests of the filter chain. */
import { BodyChunk } from "../../src/shm/body-chunk.ts";
import type { BodyBuffer } from "../../src/silo/body-buffer.ts";

export function textOf(data: BodyBuffer): string {
  const bytes = new Uint8Array(data.byteLength);
  data.copyTo(0, data.byteLength, bytes, 0);
  return Buffer.from(bytes).toString("latin1");
}

export function chunk(text: string): BodyChunk {
  return BodyChunk.ofHeap(Buffer.from(text, "latin1"));
}
