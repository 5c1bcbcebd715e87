/**
 * Counts what a client may do, but not often: streams that it opens and resets at once ("rapid
 * reset"), SETTINGS and PING frames. Limits as in Envoy. Pure.
 */
import { LIMITS } from "../../../base/limits.ts";

export class H2Guard {
  #streams = 0;
  #resets = 0;
  #controls = 0;

  streamOpened(): void {
    this.#streams++;
  }

  /** A stream was reset by the client before it was answered. @returns whether that is too often */
  streamReset(): boolean {
    this.#resets++;
    return this.#resets > LIMITS.http2ResetsCount && this.#resets * 2 > this.#streams;
  }

  /** A SETTINGS or PING frame came. @returns whether that is too often */
  controlFrame(): boolean {
    this.#controls++;
    return (
      this.#controls > LIMITS.http2ControlsCount + this.#streams * LIMITS.http2ControlsPerStream
    );
  }
}
