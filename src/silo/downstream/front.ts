/**
 * What stands before the filter chains of a listener: the PROXY header, a look at the ClientHello
 * or at the request line, and the choice of the chain. One per connection, gone when it is served.
 * Thread: one silo.
 */
import { Logger } from "../../base/log.ts";
import type { ListenerFiltersConfig } from "../../config/types.ts";
import type { ListenerStats, ProxyProtocolStats } from "../../metrics/catalogue.ts";
import type { AcceptedSource } from "../../net/accept.ts";
import { readClientHello, readHttpVersion } from "../../net/client-hello.ts";
import { Prelude, type PreludeEvents, type PreludeVerdict } from "../../net/prelude.ts";
import { type ProxiedAddresses, readProxyHeader } from "../../net/proxy-protocol.ts";
import { Timeout, type TimeoutOwner, type TimerWheel } from "../timer-wheel.ts";
import type { ChainChoice } from "./chain-choice.ts";

const log = new Logger("filter");

/** What all fronts of one listener share. */
export interface FrontOptions {
  readonly filters: ListenerFiltersConfig;
  readonly choice: ChainChoice;
  readonly wheel: TimerWheel;
  readonly stats: ListenerStats;
  readonly proxyStats: ProxyProtocolStats;
}

/** The owner of a front, which serves what comes out of it. */
export interface FrontOwner {
  /** `chain` is the index of the filter chain that was chosen. */
  frontReady(front: Front, chain: number, source: AcceptedSource): void;
  /** The connection was refused, timed out, or left. */
  frontGone(front: Front): void;
}

type Socket = Extract<AcceptedSource, { socket: unknown }>["socket"];

export class Front implements PreludeEvents, TimeoutOwner {
  /** What a PROXY header said. */
  proxied: ProxiedAddresses | null = null;
  readonly #options: FrontOptions;
  readonly #owner: FrontOwner;
  readonly #prelude: Prelude;
  readonly #timeout = new Timeout(this, 0);
  /** Bytes of the PROXY header; -1 = not read yet. */
  #headerBytes: number;
  #serverName = "";
  #transport: "tls" | "raw_buffer" = "raw_buffer";
  #protocols: readonly string[] = [];
  #refused = false;

  /** Throws when the descriptor is no socket. */
  constructor(source: AcceptedSource, options: FrontOptions, owner: FrontOwner) {
    const { filters, stats, wheel } = options;
    this.#options = options;
    this.#owner = owner;
    this.#headerBytes = filters.proxyProtocol === null ? 0 : -1;
    this.#prelude = new Prelude(source, this);
    stats.downstream_pre_cx_active.inc();
    const reads = filters.proxyProtocol !== null || filters.inspectsTls || filters.inspectsHttp;
    if (!reads) setImmediate(() => this.#prelude.settle());
    else if (filters.timeoutMs > 0) wheel.set(this.#timeout, filters.timeoutMs);
  }

  destroy(): void {
    this.#prelude.cancel();
  }

  look(bytes: Buffer): PreludeVerdict {
    if (this.#headerBytes < 0) {
      const verdict = this.#readProxyHeader(bytes);
      if (verdict !== null) return verdict;
    }
    const { filters } = this.#options;
    const rest = bytes.subarray(this.#headerBytes);
    const skip = { skip: this.#headerBytes };
    if (!filters.inspectsTls && !filters.inspectsHttp) return skip;
    const read = readClientHello(rest);
    if (read.kind === "incomplete") return "more";
    if (read.kind === "hello") {
      this.#transport = "tls";
      this.#serverName = read.hello.serverName;
      this.#protocols = read.hello.alpn;
      return skip;
    }
    if (!filters.inspectsHttp) return skip;
    const version = readHttpVersion(rest);
    if (version === null) return "more";
    this.#protocols = version === "" ? [] : [version];
    return skip;
  }

  /** Null when the header is behind us. */
  #readProxyHeader(bytes: Buffer): PreludeVerdict | null {
    const { filters, proxyStats, stats } = this.#options;
    const header = readProxyHeader(bytes);
    if (header.kind === "incomplete") return "more";
    if (header.kind === "found") {
      proxyStats[`versions.v${header.version}.found`].inc();
      this.proxied = header.addresses;
      this.#headerBytes = header.byteLength;
      return null;
    }
    if (header.kind === "absent" && filters.proxyProtocol?.isOptional === true) {
      proxyStats.not_found_allowed.inc();
      this.#headerBytes = 0;
      return null;
    }
    if (header.kind === "absent") proxyStats.not_found_disallowed.inc();
    else proxyStats[bytes[0] === 0x0d ? "versions.v2.error" : "versions.v1.error"].inc();
    stats.downstream_listener_filter_error.inc();
    log.debug(`connection refused: PROXY header ${header.kind}`);
    this.#refused = true;
    return "refuse";
  }

  onReady(socket: Socket, early: Buffer): void {
    const { choice, stats, wheel } = this.#options;
    wheel.cancel(this.#timeout);
    const directAddress = socket.remoteAddress ?? "";
    const chain = choice.choose({
      localAddress: this.proxied?.localAddress ?? socket.localAddress ?? "",
      localPort: this.proxied?.localPort ?? socket.localPort ?? 0,
      remoteAddress: this.proxied?.remoteAddress ?? directAddress,
      remotePort: this.proxied?.remotePort ?? socket.remotePort ?? 0,
      directAddress,
      serverName: this.#serverName,
      transport: this.#transport,
      protocols: this.#protocols,
    });
    stats.downstream_pre_cx_active.dec();
    if (chain >= 0) {
      this.#owner.frontReady(this, chain, early.length === 0 ? { socket } : { socket, early });
      return;
    }
    log.debug(`closing connection: no filter chain matches`);
    stats.no_filter_chain_match.inc();
    socket.destroy();
    this.#owner.frontGone(this);
  }

  onGone(): void {
    const { stats, wheel } = this.#options;
    wheel.cancel(this.#timeout);
    stats.downstream_pre_cx_active.dec();
    if (!this.#refused) stats.downstream_listener_filter_remote_close.inc();
    this.#owner.frontGone(this);
  }

  onTimeout(): void {
    const { filters, stats } = this.#options;
    stats.downstream_pre_cx_timeout.inc();
    this.#refused = true;
    if (filters.continueOnTimeout && this.#headerBytes >= 0) this.#prelude.settle();
    else this.#prelude.cancel();
  }
}
