/**
 * What one request may still try: its policy, the retries left, the endpoints tried, and the body
 * kept so that it can be sent again. Made only for requests with a retry policy.
 */
import type { RetryPolicyConfig } from "../config/types.ts";
import type { HeaderMap } from "../http/header-map.ts";
import type { BodyChunk } from "../shm/body-chunk.ts";
import { shouldRetryOnHeaders, shouldRetryOnReset } from "../upstream/retry.ts";
import type { Cluster, UpstreamRequest, UpstreamResetReason } from "../upstream/types.ts";
import { BodyBuffer } from "./body-buffer.ts";
import type { StreamInfo } from "./stream-info.ts";

export class RetryState {
  readonly policy: RetryPolicyConfig;
  readonly #headersOnly: boolean;
  readonly #keptBytesMax: number;
  #left: number;
  /** Null when the request cannot be sent again, or has no body. */
  #kept: BodyBuffer | null;
  #tried: readonly string[] = [];

  /** @param keptBytesMax a longer body is not kept, and the request not tried again */
  constructor(policy: RetryPolicyConfig, body: "headersOnly" | "mayFollow", keptBytesMax: number) {
    this.policy = policy;
    this.#headersOnly = body === "headersOnly";
    this.#keptBytesMax = keptBytesMax;
    this.#left = policy.retryCount;
    this.#kept = this.#left > 0 && !this.#headersOnly ? new BodyBuffer() : null;
  }

  /** Addresses of endpoints that failed. */
  get tried(): readonly string[] {
    return this.#tried;
  }

  keep(chunk: BodyChunk): void {
    if (this.#kept === null) return;
    this.#kept.append(chunk);
    if (this.#kept.byteLength > this.#keptBytesMax) this.giveUp();
  }

  /**
   * Sends what was kept to another attempt.
   * @param last whether the last chunk ends the request
   * @returns whether the end of the request was sent
   */
  resend(upstream: UpstreamRequest, last: boolean): boolean {
    const kept = this.#kept;
    if (kept === null) return false;
    const copy = new BodyBuffer();
    let sentEnd = false;
    for (let chunk = kept.shift(); chunk !== null; chunk = kept.shift()) {
      copy.append(chunk);
      sentEnd = last && kept.chunkCount === 0;
      upstream.sendData(chunk, sentEnd);
      chunk.release();
    }
    this.#kept = copy;
    return sentEnd;
  }

  wantsAfterHeaders(status: number, headers: HeaderMap): boolean {
    return shouldRetryOnHeaders(this.policy, status, headers);
  }

  wantsAfterReset(reason: UpstreamResetReason, requestStarted: boolean): boolean {
    return shouldRetryOnReset(this.policy, reason, requestStarted);
  }

  /** Takes one retry and a place in the cluster's retry budget; false when there is none. */
  take(cluster: Cluster, info: StreamInfo): boolean {
    const { handles } = cluster.stats;
    if (this.#left === 0) {
      handles.upstream_rq_retry_limit_exceeded.inc();
      info.addFlag("URX");
      return false;
    }
    if (!this.#headersOnly && this.#kept === null) return false;
    if (!cluster.acquireRetry()) {
      handles.upstream_rq_retry_overflow.inc();
      return false;
    }
    this.#left--;
    handles.upstream_rq_retry.inc();
    if (info.endpoint !== null) this.#tried = this.#tried.concat(info.endpoint.address);
    return true;
  }

  /** No further attempt: lets go of the body. */
  giveUp(): void {
    this.#left = 0;
    this.#kept?.clear();
    this.#kept = null;
  }
}
