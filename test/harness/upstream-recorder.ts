/**
 * A router that writes down what an attempt tells it.
 */
import type { HeaderMap } from "../../src/http/header-map.ts";
import type { BodyChunk } from "../../src/shm/body-chunk.ts";
import type {
  UpstreamConnectionInfo,
  UpstreamEvents,
  UpstreamResetReason,
} from "../../src/upstream/types.ts";

export class UpstreamRecorder implements UpstreamEvents {
  requestTrailers: "maybe" | "never" = "maybe";
  /** One line for each event: `ready`, `103`, `200`, `data abc`, `end`, `reset reason`... */
  readonly log: string[] = [];
  /** Called after each event was written down, with its line. */
  onEvent: ((line: string) => void) | null = null;
  connection: UpstreamConnectionInfo | null = null;
  headers: HeaderMap | null = null;
  resetDetail = "";
  bodyBytes = 0;
  readonly #waiting: (() => void)[] = [];
  #over = false;

  /** Resolves when the attempt is over, however it ended. */
  get over(): Promise<void> {
    if (this.#over) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Resolves when `line` was or is written down. */
  until(line: string): Promise<void> {
    if (this.log.includes(line)) return Promise.resolve();
    return new Promise((resolve) => {
      const before = this.onEvent;
      this.onEvent = (next) => {
        before?.(next);
        if (next === line) resolve();
      };
    });
  }

  onConnectionReady(info: UpstreamConnectionInfo): void {
    this.connection = info;
    this.#write("ready");
  }

  onInformational(headers: HeaderMap): void {
    this.#write(`informational ${headers.get(":status")}`);
  }

  onResponseHeaders(headers: HeaderMap, endStream: boolean): void {
    this.headers = headers;
    this.#write(`${headers.get(":status")}${endStream ? " end" : ""}`);
    if (endStream) this.#finish();
  }

  onResponseData(chunk: BodyChunk, endStream: boolean): void {
    this.bodyBytes += chunk.byteLength;
    const text = Buffer.from(chunk.bytes).toString("latin1");
    this.#write(`data ${text.length > 64 ? text.length : text}${endStream ? " end" : ""}`);
    if (endStream) this.#finish();
  }

  onResponseTrailers(trailers: HeaderMap): void {
    this.#write(`trailers ${trailers.entries().join(";")}`);
    this.#finish();
  }

  onUpstreamReset(reason: UpstreamResetReason, detail: string): void {
    this.resetDetail = detail;
    this.#write(`reset ${reason}`);
    this.#finish();
  }

  onRequestHighWatermark(): void {
    this.#write("high");
  }

  onRequestLowWatermark(): void {
    this.#write("low");
  }

  #write(line: string): void {
    this.log.push(line);
    this.onEvent?.(line);
  }

  #finish(): void {
    this.#over = true;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
