/**
 * What the result of a stream callback obliges the stream to do. Source: ABI 2.4, 2.5.
 * @hot per-request
 */
import type { ResultKind } from "../abi/callback-table.ts";
import { GUEST_HEADERS_STATUS } from "../abi/enums.ts";
import type { HttpStreamContext } from "./contexts.ts";
import { DATA_STATUS, HEADERS_STATUS, TRAILERS_STATUS } from "./types.ts";

/** The status that stops everything, by kind of callback. */
export function stopStatus(result: ResultKind): number {
  if (result === "headers") return HEADERS_STATUS.stopAllAndWatermark;
  return result === "data" ? DATA_STATUS.stopNoBuffer : TRAILERS_STATUS.stop;
}

/** ABI 2.5: what the guest returned, as what the stream must do. */
export function convertStatus(stream: HttpStreamContext, result: ResultKind, raw: number): number {
  const call = stream.root.vm.call;
  if (call.stopped) return stopStatus(result);
  // Resumed in the same callback that pauses: the filter has not been stopped yet, so it just goes
  // on.
  if (call.resumed) return HEADERS_STATUS.continue;
  if (result === "data") return Math.min(raw, DATA_STATUS.stopNoBuffer);
  if (result !== "headers") return Math.min(raw, TRAILERS_STATUS.stop);
  if (raw === GUEST_HEADERS_STATUS.stopIteration) {
    return stream.mayStopIteration ? raw : HEADERS_STATUS.stopAllAndWatermark;
  }
  if (raw === GUEST_HEADERS_STATUS.continueAndEndStream) return HEADERS_STATUS.continue;
  return Math.min(raw, HEADERS_STATUS.stopAllAndWatermark);
}
