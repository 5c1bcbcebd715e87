/**
 * Stands on both sides of a filter that serves: what comes in is copied to the shadow, what comes
 * out is kept, and at the end of the stream the two are compared. The chain itself is not changed.
 */
import type { HeaderMap } from "../../http/header-map.ts";
import { DATA_STATUS, HEADERS_STATUS, TRAILERS_STATUS } from "../../vm/types.ts";
import type { BodyBuffer } from "../body-buffer.ts";
import { type Direction, type HttpFilter, REQUEST, RESPONSE } from "../http-filter.ts";
import type { FilterStream, WasmFilter } from "../wasm-filter.ts";
import { compareRuns } from "./compare.ts";
import { Passed } from "./passed.ts";
import type { Shadow } from "./shadow.ts";
import { ShadowStream } from "./shadow-stream.ts";

interface ProbeParts {
  readonly shadow: Shadow;
  readonly stream: FilterStream;
  readonly live: WasmFilter;
  readonly bufferBytesMax: number;
}

export class ShadowProbe {
  readonly #parts: ProbeParts;
  readonly #run: ShadowStream;
  readonly #passed: readonly [Passed, Passed] = [new Passed(), new Passed()];
  #wasFed = false;
  #calledOut = false;

  constructor(parts: ProbeParts) {
    this.#parts = parts;
    this.#run = new ShadowStream(parts.shadow.plugin, parts.stream, parts.bufferBytesMax);
  }

  /** Before and behind the live filter, in request order. */
  sides(): readonly [HttpFilter, HttpFilter] {
    return [new ProbeSide(this, REQUEST), new ProbeSide(this, RESPONSE)];
  }

  /** Where the live filter's own output of `direction` is kept. */
  passed(direction: Direction): Passed {
    return this.#passed[direction];
  }

  headers(direction: Direction): HeaderMap | null {
    const { requestHeaders, responseHeaders } = this.#parts.stream.info;
    return direction === REQUEST ? requestHeaders : responseHeaders;
  }

  trailers(direction: Direction): HeaderMap | null {
    const { requestTrailers, responseTrailers } = this.#parts.stream.info;
    return direction === REQUEST ? requestTrailers : responseTrailers;
  }

  /** Whether the shadow sees what comes: not any more when it has ended the stream, for itself. */
  #sees(direction: Direction): boolean {
    const { filter, overflowed } = this.#run;
    if (filter === null || filter.endedBy !== null || overflowed || this.#calledOut) return false;
    if (direction === REQUEST) return true;
    const [request] = this.#passed;
    return request.headers !== null && this.#run.passed[REQUEST].headers !== null;
  }

  feed(direction: Direction, into: (run: ShadowStream) => void): void {
    if (!this.#wasFed) {
      if (direction === RESPONSE) return;
      this.#wasFed = true;
      this.#parts.shadow.begins();
    }
    if (!this.#sees(direction)) return;
    const before = this.#parts.shadow.callouts;
    into(this.#run);
    if (this.#parts.shadow.callouts !== before) this.#calledOut = true;
  }

  /** The stream is over. */
  end(): void {
    const run = this.#run;
    const { shadow, live } = this.#parts;
    run.end();
    if (!this.#wasFed) return;
    if (this.#calledOut || run.overflowed) {
      shadow.uncompared();
      return;
    }
    const endedBy = run.filter === null ? "failure" : run.filter.endedBy;
    const ours = { endedBy: live.endedBy, passed: this.#passed };
    shadow.compared(compareRuns(ours, { endedBy, passed: run.passed }));
  }
}

/** What comes in `#feeds` goes on to the live filter; the other direction comes from it. */
class ProbeSide implements HttpFilter {
  readonly #probe: ShadowProbe;
  readonly #feeds: Direction;

  constructor(probe: ShadowProbe, feeds: Direction) {
    this.#probe = probe;
    this.#feeds = feeds;
  }

  onHeaders(direction: Direction, endStream: boolean): number {
    if (direction === this.#feeds) {
      this.#probe.feed(direction, (run) => run.feedHeaders(direction, endStream));
    } else {
      this.#probe.passed(direction).addHeaders(this.#probe.headers(direction), endStream);
    }
    return HEADERS_STATUS.continue;
  }

  onData(direction: Direction, data: BodyBuffer, endStream: boolean): number {
    if (direction === this.#feeds) {
      this.#probe.feed(direction, (run) => run.feedData(direction, data, endStream));
    } else this.#probe.passed(direction).addData(data, endStream);
    return DATA_STATUS.continue;
  }

  onTrailers(direction: Direction): number {
    if (direction === this.#feeds) {
      this.#probe.feed(direction, (run) => run.feedTrailers(direction));
    } else this.#probe.passed(direction).addTrailers(this.#probe.trailers(direction));
    return TRAILERS_STATUS.continue;
  }

  onLog(): void {}

  onDestroy(): void {
    // Destroyed in request order: the side behind is the last.
    if (this.#feeds === RESPONSE) this.#probe.end();
  }
}
