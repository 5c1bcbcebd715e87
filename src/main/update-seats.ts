/**
 * The listening sockets of an update: which listeners keep theirs, which need another one, and who
 * takes over a socket of the same address. Thread: main.
 */
import { isDeepStrictEqual } from "node:util";
import type { ListenerConfig } from "../config/types.ts";
import type { ListenerSeat, TransportName } from "../silo/messages.ts";
import type { Acceptor } from "./acceptor.ts";
import { reservePorts } from "./listen.ts";

export type SeatedListener = { readonly config: ListenerConfig; readonly seat: ListenerSeat };

/** A listener of the next configuration. `port` of a new seat is not known yet. */
export interface SeatPlan {
  readonly config: ListenerConfig;
  readonly seat: ListenerSeat;
  readonly state: "kept" | "changed" | "new";
}

export interface SeatPlans {
  readonly next: readonly SeatPlan[];
  readonly closing: readonly SeatedListener[];
}

export interface SeatChoices {
  /** Beside the listeners. */
  readonly transports: readonly TransportName[];
  /** Gives ids that were never used. */
  nextId(): number;
}

export function planSeats(
  running: readonly SeatedListener[],
  listeners: readonly ListenerConfig[],
  choices: SeatChoices,
): SeatPlans {
  const next = listeners.map((config, index): SeatPlan => {
    const transport = choices.transports[index] ?? "codec";
    const old = running.find((each) => each.config.name === config.name);
    if (old === undefined || needsSocket(old, config, transport)) {
      return { config, seat: { id: choices.nextId(), transport, port: 0 }, state: "new" };
    }
    const state = isDeepStrictEqual(old.config, config) ? "kept" : "changed";
    return { config, seat: old.seat, state };
  });
  const kept = new Set(next.map(({ seat }) => seat.id));
  return { next, closing: running.filter(({ seat }) => !kept.has(seat.id)) };
}

/** uWS is told of TLS and of the size of heads only when it is made. */
function needsSocket(old: SeatedListener, config: ListenerConfig, transport: string): boolean {
  if (!isDeepStrictEqual(old.config.address, config.address)) return true;
  if (old.seat.transport !== transport) return true;
  return transport === "uws" && !isDeepStrictEqual(fixedInUws(old.config), fixedInUws(config));
}

function fixedInUws({ filterChains }: ListenerConfig): unknown {
  return filterChains.map((chain) => {
    const http = chain.kind === "http" ? chain.http : null;
    return [chain.tls, http?.maxRequestHeadersBytes, http?.maxHeadersCount];
  });
}

/** Sockets that were opened for an update, until it is decided. */
export class UpdateDoors {
  readonly #acceptor: Acceptor | null;
  readonly #opened: number[] = [];
  readonly #handedOver: (readonly [from: number, to: number])[] = [];

  constructor(acceptor: Acceptor | null) {
    this.#acceptor = acceptor;
  }

  /** The seats with the ports that their sockets have, or why one cannot be had. */
  async open(plans: SeatPlans): Promise<readonly ListenerSeat[] | string> {
    const seats: ListenerSeat[] = [];
    for (const { config, seat, state } of plans.next) {
      if (state !== "new") {
        seats.push(seat);
        continue;
      }
      const port = await this.#openOne(config, seat, plans.closing);
      if (typeof port === "string") return port;
      seats.push({ ...seat, port });
    }
    return seats;
  }

  /** Every silo knows the new listeners: connections go to them. */
  release(): void {
    for (const [from, to] of this.#handedOver) this.#acceptor?.handOver(from, to);
    for (const id of this.#opened) this.#acceptor?.release(id);
  }

  /** The update is refused. */
  close(): void {
    this.#acceptor?.closeListeners(this.#opened);
  }

  async #openOne(
    config: ListenerConfig,
    seat: ListenerSeat,
    closing: readonly SeatedListener[],
  ): Promise<number | string> {
    const before = closing.find(
      (each) =>
        each.seat.transport === seat.transport &&
        config.address.port !== 0 &&
        isDeepStrictEqual(each.config.address, config.address),
    );
    if (this.#acceptor !== null) {
      if (before !== undefined) {
        this.#handedOver.push([before.seat.id, seat.id]);
        return before.seat.port;
      }
      const bound = await this.#acceptor.openDoor(seat.id, config);
      if (typeof bound !== "number") return bound.message;
      this.#opened.push(seat.id);
      return bound;
    }
    // Silos listen themselves, beside what listens there until it is closed.
    if (before !== undefined) return before.seat.port;
    const reserved = await reservePorts([config]);
    return "message" in reserved ? reserved.message : (reserved[0] ?? config.address.port);
  }
}
