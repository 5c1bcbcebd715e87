/**
 * Puts the body of one direction into the memory that a filter lends: before each body callback the
 * bytes of the event lie there, because the socket read them there or by a copy.
 * @hot per-chunk
 */
import { LentChunk } from "../shm/lent-chunk.ts";
import type { BodyWindow } from "../vm/body-windows.ts";
import type { BodyBuffer } from "./body-buffer.ts";

/** Makes `window` show `data`, and offers it for what comes next. */
export function showInWindow(window: BodyWindow, data: BodyBuffer): void {
  const { last, byteLength } = data;
  if (last === null) {
    window.show(0);
    return;
  }
  if (last.isLent && last instanceof LentChunk && last.region === window) {
    window.show(last.byteLength === byteLength ? byteLength : 0);
  } else if (byteLength <= window.byteLength && !data.hasLent) {
    data.copyTo(0, byteLength, window.view(0, byteLength), 0);
    window.show(byteLength);
  } else {
    window.show(0);
  }
  window.offer(last.origin);
}
