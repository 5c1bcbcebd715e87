/**
 * The value of `date` as IMF-fixdate, formatted once a second. Source: RFC 9110 section 5.6.7.
 * @hot per-request
 */
import type { Clock } from "../base/clock.ts";

export class DateHeader {
  readonly #clock: Clock;
  #second = -1;
  #value = "";

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The present date, e.g. "Sun, 06 Nov 1994 08:49:37 GMT". Thread: one. */
  value(): string {
    const second = Math.floor(this.#clock.wallMs() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#value = new Date(second * 1000).toUTCString();
    }
    return this.#value;
  }
}
