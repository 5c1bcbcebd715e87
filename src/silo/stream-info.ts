/**
 * What is known of a stream beside its headers: filled in on its way, read by access logs, header
 * operators (`%...%`) and properties. Times are monotonic milliseconds; NaN = did not happen.
 */
import type {
  FilterOverride,
  ListenerConfig,
  RouteConfig,
  VirtualHostConfig,
} from "../config/types.ts";
import type { HeaderMap } from "../http/header-map.ts";
import type { TlsInfo } from "../net/types.ts";
import type { EndpointInfo } from "../upstream/types.ts";
import type { FilterState } from "./filter-state.ts";
import type { PluginCosts } from "./plugin-cost-feed.ts";

export class StreamInfo {
  readonly listener: ListenerConfig;
  readonly connection: DownstreamInfo;
  readonly streamId: number;
  startWallMs: number;
  startMs: number;
  protocol = "HTTP/1.1";
  requestHeaders: HeaderMap | null = null;
  requestTrailers: HeaderMap | null = null;
  responseHeaders: HeaderMap | null = null;
  responseTrailers: HeaderMap | null = null;
  requestHeadersBytes = 0;
  requestBodyBytes = 0;
  responseHeadersBytes = 0;
  responseBodyBytes = 0;
  /** 0 until a response code was recorded. */
  responseCode = 0;
  responseCodeDetails = "";
  /** Envoy's short flags, in the order they were set. */
  readonly responseFlags: string[] = [];
  connectionTerminationDetails = "";
  /** Body of a local reply before `local_reply_config` formats it. */
  localReplyBody = "";
  route: RouteConfig | null = null;
  virtualHost: VirtualHostConfig | null = null;
  clusterName = "";
  /** 0..1, drawn once: whether routes match that take a share of the requests; NaN = not drawn. */
  share = Number.NaN;
  /** What the route changes about the filters. */
  overrides: readonly FilterOverride[] | null = null;
  endpoint: EndpointInfo | null = null;
  upstreamLocalAddress = "";
  upstreamTls: TlsInfo | null = null;
  upstreamFailure = "";
  attemptCount = 0;
  upstreamPoolReadyMs = Number.NaN;
  firstUpstreamTxMs = Number.NaN;
  firstUpstreamRxMs = Number.NaN;
  lastUpstreamRxMs = Number.NaN;
  requestEndMs = Number.NaN;
  firstDownstreamTxMs = Number.NaN;
  endMs = Number.NaN;
  /** Client address after X-Forwarded-For processing; the peer's by default. */
  remoteIp: string;
  /** `wasm.<name>` and other filter state, by full key; null until first written. */
  filterState: FilterState | null = null;
  /** What plugins of this silo cost, for access logs; null: they have no value. */
  costs: PluginCosts | null = null;
  /** Names the stream in the files of its taps; "" until one asks. */
  tapId = "";

  constructor(listener: ListenerConfig, connection: DownstreamInfo, streamId: number) {
    this.listener = listener;
    this.connection = connection;
    this.streamId = streamId;
    this.remoteIp = connection.remoteIp;
    this.startWallMs = 0;
    this.startMs = 0;
  }

  addFlag(flag: string): void {
    if (flag !== "" && !this.responseFlags.includes(flag)) this.responseFlags.push(flag);
  }
}

/** The client's connection, as streams on it see it. */
export interface DownstreamInfo {
  readonly id: number;
  readonly remoteIp: string;
  readonly remotePort: number;
  /** The peer's own address, whatever a PROXY header said. */
  readonly directIp: string;
  readonly directPort: number;
  readonly localIp: string;
  readonly localPort: number;
  readonly tls: TlsInfo | null;
}

/** `ip:port`, `[ip6]:port`. */
export function addressText(ip: string, port: number): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}
