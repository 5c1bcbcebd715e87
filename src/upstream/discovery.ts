/**
 * Where the endpoints of a cluster come from: the configuration, or DNS asked again and again. Each
 * name is watched on its own; a failed look-up keeps what is known.
 */
import { isIP } from "node:net";
import type { Clock, Timer } from "../base/clock.ts";
import { Logger } from "../base/log.ts";
import type { ClusterConfig, EndpointConfig } from "../config/types.ts";
import { socketAddressText } from "./connection-texts.ts";
import type { DnsAnswer, DnsResolver } from "./dns.ts";
import type { ClusterHandles } from "./stats.ts";
import type { EndpointInfo } from "./types.ts";

const log = new Logger("upstream");

/** One endpoint as it is to be reached now. */
export interface FoundEndpoint {
  readonly info: EndpointInfo;
  readonly config: EndpointConfig;
}

export interface DiscoveryOptions {
  readonly config: ClusterConfig;
  readonly dns: DnsResolver;
  readonly clock: Clock;
  readonly handles: ClusterHandles;
}

export interface Discovery {
  /** Calls `onFound` with the whole set at once (static) or after each answer that changes it. */
  start(onFound: (found: readonly FoundEndpoint[]) => void): void;
  stop(): void;
  /** Resolves when every name has its first answer, good or bad. */
  readonly ready: Promise<void>;
}

export function createDiscovery(options: DiscoveryOptions): Discovery {
  return options.config.type === "static"
    ? new StaticDiscovery(options.config)
    : new DnsDiscovery(options);
}

function endpointInfo(ip: string, config: EndpointConfig): EndpointInfo {
  const address = socketAddressText(ip, config.port);
  // As in Envoy the name that was looked up stands in for a hostname that is not configured.
  const named = isIP(config.host) === 0 ? config.host : "";
  const hostname = config.hostname === "" ? named : config.hostname;
  return { address, ip, port: config.port, hostname };
}

export function staticEndpoints({ endpoints }: ClusterConfig): readonly FoundEndpoint[] {
  return endpoints.map((config) => ({ info: endpointInfo(config.host, config), config }));
}

class StaticDiscovery implements Discovery {
  readonly ready = Promise.resolve();
  readonly #config: ClusterConfig;

  constructor(config: ClusterConfig) {
    this.#config = config;
  }

  start(onFound: (found: readonly FoundEndpoint[]) => void): void {
    onFound(staticEndpoints(this.#config));
  }

  stop(): void {}
}

class DnsDiscovery implements Discovery {
  readonly ready: Promise<void>;
  readonly #watches: readonly NameWatch[];
  readonly #logical: boolean;
  #known = "";

  constructor(options: DiscoveryOptions) {
    this.#logical = options.config.type === "logicalDns";
    this.#watches = options.config.endpoints.map((endpoint) => new NameWatch(options, endpoint));
    this.ready = Promise.all(this.#watches.map((watch) => watch.answered)).then(() => undefined);
  }

  start(onFound: (found: readonly FoundEndpoint[]) => void): void {
    const onAnswer = (): void => {
      const found = this.#found();
      const known = found.map((endpoint) => endpoint.info.address).join();
      if (known === this.#known) return;
      this.#known = known;
      onFound(found);
    };
    for (const watch of this.#watches) watch.start(onAnswer);
  }

  stop(): void {
    for (const watch of this.#watches) watch.stop();
  }

  /** Every address once; LOGICAL_DNS takes the first one only. */
  #found(): FoundEndpoint[] {
    const byAddress = new Map<string, FoundEndpoint>();
    for (const watch of this.#watches) {
      for (const ip of this.#logical ? watch.addresses.slice(0, 1) : watch.addresses) {
        const info = endpointInfo(ip, watch.endpoint);
        if (!byAddress.has(info.address)) {
          byAddress.set(info.address, { info, config: watch.endpoint });
        }
      }
    }
    return [...byAddress.values()];
  }
}

/** One name, looked up every `dnsRefreshMs` (or when its TTL is over). */
class NameWatch {
  readonly endpoint: EndpointConfig;
  readonly answered: Promise<void>;
  addresses: readonly string[] = [];
  readonly #options: DiscoveryOptions;
  #onAnswer: () => void = () => {};
  #markAnswered: () => void = () => {};
  #timer: Timer | null = null;
  #stopped = false;

  constructor(options: DiscoveryOptions, endpoint: EndpointConfig) {
    this.#options = options;
    this.endpoint = endpoint;
    this.answered = new Promise((resolve) => {
      this.#markAnswered = resolve;
    });
  }

  start(onAnswer: () => void): void {
    this.#onAnswer = onAnswer;
    this.#ask();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#markAnswered();
  }

  #ask(): void {
    const { config, dns, handles } = this.#options;
    handles.update_attempt.inc();
    dns.resolve(
      { host: this.endpoint.host, family: config.dnsFamily, wantTtl: config.respectDnsTtl },
      (answer) => this.#take(answer),
    );
  }

  #take(answer: DnsAnswer): void {
    if (this.#stopped) return;
    const { config, clock, handles } = this.#options;
    if (answer.addresses === null) {
      handles.update_failure.inc();
      log.debug(`cluster '${config.name}': look-up of ${this.endpoint.host}: ${answer.failure}`);
    } else {
      handles.update_success.inc();
      // An empty answer empties STRICT_DNS; a logical endpoint keeps its last address (Envoy).
      if (config.type === "strictDns" || answer.addresses.length > 0) {
        this.addresses = answer.addresses;
        this.#onAnswer();
      }
    }
    this.#markAnswered();
    const refreshMs = config.respectDnsTtl && answer.ttlMs > 0 ? answer.ttlMs : config.dnsRefreshMs;
    this.#timer = clock.after(refreshMs, () => this.#ask());
  }
}
