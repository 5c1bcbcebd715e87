/** Stands in for the context of a stream whose plugin cannot run and fails closed. ABI 5.8. */
import type { StreamRoles } from "./roles.ts";
import { DATA_STATUS, HEADERS_STATUS, type StreamContext, TRAILERS_STATUS } from "./types.ts";

export class FailedStreamContext implements StreamContext {
  readonly #roles: StreamRoles;
  #failed = false;

  constructor(roles: StreamRoles) {
    this.#roles = roles;
  }

  enter(): void {}

  onRequestHeaders(): number {
    this.#fail();
    return HEADERS_STATUS.stopAllAndWatermark;
  }

  onRequestBody(): number {
    this.#fail();
    return DATA_STATUS.stopNoBuffer;
  }

  onRequestTrailers(): number {
    this.#fail();
    return TRAILERS_STATUS.stop;
  }

  onRequestAborted(): void {
    // Its callbacks return at once.
  }

  // The answer that failing makes passes through here.
  onResponseHeaders(): number {
    return HEADERS_STATUS.continue;
  }

  onResponseBody(): number {
    return DATA_STATUS.continue;
  }

  onResponseTrailers(): number {
    return TRAILERS_STATUS.continue;
  }

  onLog(): void {
    // There is no guest that could log.
  }

  onDestroy(): void {
    // There is no guest context.
  }

  #fail(): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#roles.stream.failStream();
  }
}
