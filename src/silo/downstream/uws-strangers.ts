/**
 * Exchanges whose connection is not known: a chunked request whose head came in a segment of its
 * own. The first data tells the connection as long as one exchange waits for that; a second one
 * makes both listen for themselves, and then they end with their connections, which leaves doubt
 * which of the idle ones those were. Thread: one silo. @hot per-request
 */
import type { BodySlab } from "../../shm/body-slab.ts";
import type { HttpManager } from "../http-manager.ts";
import { type ExchangeOwner, UwsExchange } from "./uws-exchange.ts";
import type { UwsResponseHandle } from "./uws-library.ts";

/** So long the connection of one that ended may still be there. */
const DOUBT_MS = 30_000;

/** The listener. */
export interface StrangersOwner {
  readonly manager: HttpManager;
  readonly slab: BodySlab;
  /** One of the idle connections is gone, or will be, without a word. */
  doubtAll(): void;
  closeTold(): void;
}

export class UwsStrangers {
  readonly #owner: StrangersOwner;
  /** The one that data of an unknown connection belongs to. */
  #only: Stranger | null = null;
  #count = 0;
  #doubtUntilMs = -1;

  constructor(owner: StrangersOwner) {
    this.#owner = owner;
  }

  get manager(): HttpManager {
    return this.#owner.manager;
  }

  get slab(): BodySlab {
    return this.#owner.slab;
  }

  /** May a request come on a connection that does not show itself? */
  get any(): boolean {
    if (this.#count > 0) return true;
    if (this.#doubtUntilMs < 0) return false;
    if (this.manager.silo.clock.monotonicMs() < this.#doubtUntilMs) return true;
    this.#doubtUntilMs = -1;
    return false;
  }

  get count(): number {
    return this.#count;
  }

  /** @returns the exchange for a request of an unknown connection. */
  meet(handle: UwsResponseHandle): UwsExchange {
    const stranger = new Stranger(this);
    const { exchange } = stranger;
    exchange.start(handle);
    exchange.keepAlive = false;
    handle.onAborted(() => {
      this.#owner.closeTold();
      exchange.aborted();
      this.left(stranger);
    });
    this.#count++;
    if (this.#only === null) {
      this.#only = stranger;
    } else {
      this.listenAlone(this.#only);
      stranger.exchange.listen();
    }
    return exchange;
  }

  /** Data came on a connection without an exchange. @returns the one that is its, or null. */
  takeOnly(): UwsExchange | null {
    const stranger = this.#only;
    if (stranger === null) return null;
    this.#only = null;
    this.#count--;
    return stranger.exchange;
  }

  /** From now on no other connection's data is taken for its. */
  listenAlone(stranger: Stranger): void {
    if (this.#only !== stranger) return;
    this.#only = null;
    stranger.exchange.listen();
  }

  left(stranger: Stranger): void {
    if (this.#only === stranger) this.#only = null;
    this.#count--;
    this.#doubtUntilMs = this.manager.silo.clock.monotonicMs() + DOUBT_MS;
    this.#owner.doubtAll();
  }
}

class Stranger implements ExchangeOwner {
  readonly exchange: UwsExchange;
  readonly isUnknown = true;
  readonly #all: UwsStrangers;

  constructor(all: UwsStrangers) {
    this.#all = all;
    this.exchange = new UwsExchange(this);
  }

  get manager(): HttpManager {
    return this.#all.manager;
  }

  get slab(): BodySlab {
    return this.#all.slab;
  }

  responseEnding(): void {
    this.#all.listenAlone(this);
  }

  responseEnded(): void {}

  responseDone(): void {
    this.#all.left(this);
  }
}
