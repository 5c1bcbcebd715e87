/**
 * The silo's end of one listener: makes a client connection of each descriptor that the acceptor
 * hands over, or listens itself where descriptors cannot be passed between threads.
 */
import { createServer, type Server } from "node:net";
import { isDeepStrictEqual } from "node:util";
import { present } from "../../base/assert.ts";
import { Logger } from "../../base/log.ts";
import { proxyProtocolStats } from "../../metrics/catalogue.ts";
import {
  type AcceptedConnection,
  type AcceptedSource,
  acceptConnection,
} from "../../net/accept.ts";
import type { ProxiedAddresses } from "../../net/proxy-protocol.ts";
import type { BodySlab } from "../../shm/body-slab.ts";
import { ChainChoice } from "./chain-choice.ts";
import { type ChainManager, type ChainSlot, createSlot } from "./chain-slot.ts";
import { Front, type FrontOptions, type FrontOwner } from "./front.ts";
import type { DownstreamListener } from "./types.ts";

const log = new Logger("connection");

/** Told when a connection that main counts has closed. */
export type ConnectionClosed = () => void;

export class SiloListener implements FrontOwner, DownstreamListener {
  readonly #slab: BodySlab;
  readonly #closed: ConnectionClosed;
  /** The filter chains, in their order, of connections that begin now. */
  #slots: readonly ChainSlot[];
  /** Chains that are configured no more, with connections that are still open. */
  readonly #leaving = new Set<ChainSlot>();
  /** Connections whose chain is not chosen yet, and the chains they choose from. */
  readonly #fronts = new Map<Front, readonly ChainSlot[]>();
  /** Null where every connection goes to the only chain at once. */
  #front: FrontOptions | null;
  #server: Server | null = null;

  /** @param managers of the filter chains, in their order */
  constructor(managers: readonly ChainManager[], slab: BodySlab, closed: ConnectionClosed) {
    this.#slab = slab;
    this.#closed = closed;
    this.#slots = managers.map((manager) => createSlot(manager, closed));
    this.#front = frontOptions(present(managers[0], "a filter chain"));
  }

  get connectionCount(): number {
    let count = this.#fronts.size;
    for (const slot of this.#allSlots()) count += slot.connectionCount;
    return count;
  }

  /** Serves the connection behind `source`, which this thread owns from now on. */
  accept(source: AcceptedSource): void {
    if (this.#front === null) {
      this.#serve(source, this.#slots[0] as ChainSlot, null);
      return;
    }
    try {
      this.#fronts.set(new Front(source, this.#front, this), this.#slots);
    } catch (error) {
      this.#lost(error);
    }
  }

  frontReady(front: Front, chain: number, source: AcceptedSource): void {
    const slot = this.#fronts.get(front)?.[chain] as ChainSlot;
    this.#fronts.delete(front);
    if (!this.#slots.includes(slot)) this.#leaving.add(slot);
    this.#serve(source, slot, front.proxied);
  }

  frontGone(front: Front): void {
    if (this.#fronts.delete(front)) this.#closed();
  }

  #serve(source: AcceptedSource, slot: ChainSlot, proxied: ProxiedAddresses | null): void {
    const client = slot.open();
    let connection: AcceptedConnection;
    try {
      connection = acceptConnection(source, client, this.#slab, slot.tls);
    } catch (error) {
      this.#lost(error);
      return;
    }
    slot.add(client);
    client.attach(connection, proxied);
  }

  /** The client may have gone between accept and here. */
  #lost(error: unknown): void {
    log.debug(`connection not adopted: ${String(error)}`);
    this.#closed();
  }

  /** Listens on this thread. `reusePort`: other silos listen on the same port. */
  listen(options: { readonly port: number; readonly reusePort: boolean }): Promise<void> {
    const { host } = (this.#slots[0] as ChainSlot).manager.listener.address;
    const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) =>
      this.accept({ socket }),
    );
    this.#server = server;
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host, ...options, ipv6Only: host.includes(":") }, () => resolve());
    });
  }

  replacement(managers: readonly ChainManager[]): () => void {
    // What was agreed under other certificates or rules does not go on (as in Envoy).
    const made = managers.map((manager) => {
      const same = this.#slots.find((slot) => servesAlike(slot.manager, manager));
      return { manager, slot: same ?? createSlot(manager, this.#closed) };
    });
    const front = frontOptions(present(managers[0], "a filter chain"));
    return () => {
      const next = made.map(({ slot, manager }) => slot.goOnWith(manager));
      for (const slot of this.#slots) {
        if (next.includes(slot)) continue;
        slot.drain();
        if (slot.connectionCount > 0) this.#leaving.add(slot);
      }
      for (const slot of this.#leaving) if (slot.connectionCount === 0) this.#leaving.delete(slot);
      this.#slots = next;
      this.#front = front;
    };
  }

  *#allSlots(): Generator<ChainSlot> {
    yield* this.#slots;
    yield* this.#leaving;
  }

  /** No new connections; idle ones close now, busy ones after their response. */
  drain(): void {
    this.#server?.close();
    for (const front of this.#fronts.keys()) front.destroy();
    for (const slot of this.#allSlots()) slot.drain();
  }

  destroyAll(): void {
    for (const front of this.#fronts.keys()) front.destroy();
    for (const slot of this.#allSlots()) slot.destroyAll();
  }
}

/** Whether connections of `old` may go on under `next`. */
function servesAlike({ chain: old }: ChainManager, { chain: next }: ChainManager): boolean {
  if (old.isDefault !== next.isDefault || old.kind !== next.kind) return false;
  return isDeepStrictEqual(old.match, next.match) && isDeepStrictEqual(old.tls, next.tls);
}

function frontOptions({ listener, listenerStats, silo }: ChainManager): FrontOptions | null {
  const { filterChains, listenerFilters: filters } = listener;
  const [first] = filterChains;
  const isPlain = filterChains.length === 1 && (first?.isDefault === true || first?.match === null);
  if (isPlain && filters.proxyProtocol === null) return null;
  return {
    filters,
    choice: new ChainChoice(filterChains),
    wheel: silo.wheel,
    stats: listenerStats,
    proxyStats: proxyProtocolStats(silo.metrics),
  };
}
