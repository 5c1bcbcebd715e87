/**
 * One HTTP connection manager on one silo: what all connections and streams of a listener share.
 * Envoy's `HttpConnectionManager` with its route table, filters, limits, stats and access logs.
 */
import { PROXY_ERRORS } from "../base/errors.ts";
import type {
  HttpChainConfig,
  HttpConnectionManagerConfig,
  ListenerConfig,
} from "../config/types.ts";
import {
  type Http2Stats,
  type HttpStats,
  http2Stats,
  httpStats,
  type ListenerHttpStats,
  type ListenerStats,
  listenerHttpStats,
  listenerStats,
} from "../metrics/catalogue.ts";
import type { Counter } from "../metrics/types.ts";
import type { Plugin } from "../vm/types.ts";
import type { StreamLogger } from "./access-log.ts";
import { refusalCloses } from "./admission.ts";
import type { RequestMeta, ResponseEncoder, StreamFactory } from "./downstream/types.ts";
import { FilterVariants } from "./filter-variants.ts";
import type { HttpFilter } from "./http-filter.ts";
import type { LocalReplyParts } from "./local-reply.ts";
import { ReplyMapper } from "./reply-mapper.ts";
import { RouteTable } from "./route-table.ts";
import type { SiloServices } from "./services.ts";
import { Stream } from "./stream.ts";
import { addressText, type DownstreamInfo } from "./stream-info.ts";
import { endedStreamRoles } from "./wasm-filter.ts";

export class HttpManager implements StreamFactory {
  readonly silo: SiloServices;
  readonly listener: ListenerConfig;
  readonly chain: HttpChainConfig;
  readonly hcm: HttpConnectionManagerConfig;
  readonly routes: RouteTable;
  readonly stats: HttpStats;
  readonly http2Stats: Http2Stats;
  readonly listenerStats: ListenerStats;
  readonly accessLog: StreamLogger;
  /** Null: local replies go out as they are. */
  readonly replies: ReplyMapper | null;
  readonly suppressEnvoyHeaders: boolean;
  readonly #variants: FilterVariants;
  readonly #loggers: readonly Plugin[];
  readonly #byClass: readonly Counter[];
  /** The same counts by listener. */
  readonly #onListener: ListenerHttpStats;
  readonly #onListenerByClass: readonly Counter[];
  #streamCount = 0;
  #draining = false;

  constructor(silo: SiloServices, listener: ListenerConfig, chain: HttpChainConfig) {
    this.silo = silo;
    this.listener = listener;
    this.chain = chain;
    this.hcm = chain.http;
    const { host, port } = listener.address;
    this.routes = new RouteTable(this.hcm.routes);
    this.stats = httpStats(silo.metrics, this.hcm.statPrefix);
    this.http2Stats = http2Stats(silo.metrics);
    const address = addressText(host, port);
    this.listenerStats = listenerStats(silo.metrics, address);
    this.accessLog = silo.accessLogs.logger(this.hcm.accessLogs);
    this.replies = this.hcm.localReply === null ? null : new ReplyMapper(this.hcm.localReply);
    const filters = this.hcm.httpFilters;
    this.suppressEnvoyHeaders = filters.some((f) => f.kind === "router" && f.suppressEnvoyHeaders);
    this.#variants = new FilterVariants(this.hcm, silo.plugins, silo);
    this.#loggers = this.hcm.accessLogPlugins.map((config) => silo.plugins.plugin(config));
    this.#byClass = byClass(this.stats);
    this.#onListener = listenerHttpStats(silo.metrics, address, this.hcm.statPrefix);
    this.#onListenerByClass = byClass(this.#onListener);
  }

  /** The silo or this listener is draining: no connection serves another request. */
  get draining(): boolean {
    return this.#draining || this.silo.draining;
  }

  /** Whether the answer that begins now is the last on its connection. */
  get closesAnswer(): boolean {
    return this.draining || (this.silo.drainClose.asked && this.silo.drainClose.draw());
  }

  /** The listener is removed. */
  drain(): void {
    this.#draining = true;
  }

  nextStreamId(): number {
    this.#streamCount++;
    return this.#streamCount;
  }

  newStream(encoder: ResponseEncoder, connection: DownstreamInfo, meta: RequestMeta): Stream {
    return new Stream(this, encoder, connection, meta);
  }

  /** Appends the Wasm filters of one stream, in request order, as its route has them. */
  createFilters(stream: Stream, into: HttpFilter[]): void {
    this.#variants.of(stream.info.overrides).append(stream, this.silo.random, into);
  }

  /** Writes the access logs of a stream that has ended. */
  logStream(stream: Stream): void {
    this.accessLog.log(stream.info);
    for (const plugin of this.#loggers) plugin.log(endedStreamRoles(stream));
  }

  /** A stream begins, of a request of HTTP `version` 10, 11 or 20. */
  countRequest(version: number): void {
    this.stats.downstream_rq_total.inc();
    if (version === 20) this.stats.downstream_rq_http2_total.inc();
    else this.stats.downstream_rq_http1_total.inc();
    this.stats.downstream_rq_active.inc();
  }

  /** Counts a request that is not let in. @returns whether nothing may follow it */
  refused(reply: LocalReplyParts): boolean {
    const closes = refusalCloses(reply);
    if (!closes) this.stats.downstream_rq_redirected_with_normalized_path.inc();
    else if (reply.details === PROXY_ERRORS.pathInvalid.details) {
      this.stats.downstream_rq_failed_path_normalization.inc();
    }
    return closes;
  }

  countResponse(status: number): void {
    const index = Math.trunc(status / 100) - 1;
    this.stats.downstream_rq_completed.inc();
    this.#byClass[index]?.inc();
    this.#onListener.downstream_rq_completed.inc();
    this.#onListenerByClass[index]?.inc();
  }
}

/** The counters of 1xx to 5xx. */
function byClass(stats: Pick<HttpStats, keyof ListenerHttpStats>): readonly Counter[] {
  return [
    stats.downstream_rq_1xx,
    stats.downstream_rq_2xx,
    stats.downstream_rq_3xx,
    stats.downstream_rq_4xx,
    stats.downstream_rq_5xx,
  ];
}
