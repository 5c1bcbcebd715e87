/**
 * Envoy's HTTP tap filter, buffered: keeps the bodies of a stream as they pass its place in the
 * chain and, when the stream is over and matches, passes it on to the thread that writes files. It
 * changes nothing and stops nothing. Headers are those at the end of the stream, as in Envoy.
 * @hot per-request, per-chunk
 */
import type { TapFilterConfig } from "../../config/types.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import { TAP_STATS } from "../../metrics/dynamic-stats.ts";
import { type HandlesOf, handlesOf } from "../../metrics/handles.ts";
import type { MetricScope } from "../../metrics/types.ts";
import { DATA_STATUS, HEADERS_STATUS, TRAILERS_STATUS } from "../../vm/types.ts";
import type { BodyBuffer } from "../body-buffer.ts";
import { type Direction, type HttpFilter, REQUEST } from "../http-filter.ts";
import type { SiloServices } from "../services.ts";
import type { StreamInfo } from "../stream-info.ts";
import { TapBody } from "./tap-body.ts";
import { compileTapMatch, type TapMatch, type TappedParts } from "./tap-match.ts";
import type { TapConnection, TapMessage } from "./tap-record.ts";
import type { TapRing } from "./tap-ring.ts";

export type TapSite = Pick<SiloServices, "taps" | "clock" | "random">;

/** A tap filter of one connection manager. */
export class Tap {
  readonly config: TapFilterConfig;
  readonly match: TapMatch;
  readonly site: TapSite;
  readonly stats: HandlesOf<typeof TAP_STATS>;

  /** @param scope of the connection manager */
  constructor(config: TapFilterConfig, site: TapSite, scope: MetricScope) {
    this.config = config;
    this.match = compileTapMatch(config.match);
    this.site = site;
    this.stats = handlesOf(TAP_STATS, scope.scope("tap"));
  }

  get ring(): TapRing {
    return this.site.taps;
  }

  /** The same for all taps of a stream, as in Envoy: decimal, of 64 random bits. */
  idOf(info: StreamInfo): string {
    if (info.tapId !== "") return info.tapId;
    const { random } = this.site;
    const [high, low] = [Math.floor(random() * 2 ** 32), Math.floor(random() * 2 ** 32)];
    info.tapId = ((BigInt(high) << 32n) | BigInt(low)).toString();
    return info.tapId;
  }
}

/** One direction of a stream. */
class Side {
  readonly body: TapBody;
  hasHeaders = false;
  hasTrailers = false;
  receivedMs = -1;

  constructor(ring: TapRing, bytesMax: number) {
    this.body = new TapBody(ring, bytesMax);
  }
}

export class TapFilter implements HttpFilter {
  readonly #tap: Tap;
  readonly #info: StreamInfo;
  readonly #request: Side;
  readonly #response: Side;

  constructor(tap: Tap, info: StreamInfo) {
    this.#tap = tap;
    this.#info = info;
    this.#request = new Side(tap.ring, tap.config.requestBytesMax);
    this.#response = new Side(tap.ring, tap.config.responseBytesMax);
  }

  onHeaders(direction: Direction): number {
    const side = this.#side(direction);
    side.hasHeaders = true;
    if (this.#tap.config.recordsTimes) side.receivedMs = this.#tap.site.clock.wallMs();
    return HEADERS_STATUS.continue;
  }

  onData(direction: Direction, data: BodyBuffer): number {
    this.#side(direction).body.add(data);
    return DATA_STATUS.continue;
  }

  onTrailers(direction: Direction): number {
    this.#side(direction).hasTrailers = true;
    return TRAILERS_STATUS.continue;
  }

  onLog(): void {}

  onDestroy(): void {
    const [request, response] = [this.#request, this.#response];
    if (request.hasHeaders && this.#tap.match(this.#parts())) this.#send();
    request.body.release();
    response.body.release();
  }

  #side(direction: Direction): Side {
    return direction === REQUEST ? this.#request : this.#response;
  }

  /** A local reply of a filter before this one never passed here. */
  #parts(): TappedParts {
    const [info, request, response] = [this.#info, this.#request, this.#response];
    return {
      requestHeaders: info.requestHeaders,
      requestTrailers: request.hasTrailers ? info.requestTrailers : null,
      responseHeaders: response.hasHeaders ? info.responseHeaders : null,
      responseTrailers: response.hasTrailers ? info.responseTrailers : null,
    };
  }

  #send(): void {
    const { stats, ring } = this.#tap;
    const [request, response] = [this.#request.body, this.#response.body];
    if (request.isLost || response.isLost) {
      stats.rq_dropped.inc();
      return;
    }
    const { format, pathPrefix } = this.#tap.config;
    const parts = this.#parts();
    const message = messageOf(this.#request, parts.requestHeaders, parts.requestTrailers);
    const answer = this.#response.hasHeaders
      ? messageOf(this.#response, parts.responseHeaders, parts.responseTrailers)
      : null;
    const id = this.#tap.idOf(this.#info);
    const isSent = ring.send(
      [format, pathPrefix, id, message, answer, this.#connection()],
      request.chunks.concat(response.chunks),
    );
    if (isSent) stats.rq_tapped.inc();
    else stats.rq_dropped.inc();
  }

  #connection(): TapConnection | null {
    if (!this.#tap.config.recordsConnection) return null;
    const { localIp, localPort, remoteIp, remotePort } = this.#info.connection;
    return [localIp, localPort, remoteIp, remotePort];
  }
}

function messageOf(side: Side, headers: HeaderMap | null, trailers: HeaderMap | null): TapMessage {
  const places = side.body.close();
  const { isTruncated } = side.body;
  return [flat(headers), flat(trailers), side.receivedMs, isTruncated, places];
}

function flat(headers: HeaderMap | null): string[] {
  return headers?.entries().flat() ?? [];
}
