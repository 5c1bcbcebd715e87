/**
 * The front door: main owns the listening sockets and hands every accepted connection to a silo as
 * a duplicated descriptor; its own copy is closed at once, so an fd has one owner at any time.
 * Connections that arrive while no silo is ready wait, unread, until one is. Thread: main.
 */
import { createServer, type Server, type Socket } from "node:net";
import { Logger } from "../base/log.ts";
import type { NativeBindings } from "../base/native.ts";
import type { Balancer } from "./balancer.ts";
import type { SentConnection } from "./fd-ledger.ts";
import { type Doorway, type ListenFailure, listenOn } from "./listen.ts";
import type { ConnectionTarget } from "./silo-thread.ts";
import type { TargetRegistry } from "./supervisor.ts";

const log = new Logger("main");

/** Connections that may wait for a silo; more are closed. */
const WAITING_COUNT_MAX = 4_096;

/** One listening socket, and whose connections it takes now. */
interface Door {
  readonly server: Server;
  listener: number;
  /** No silo knows the listener yet: what comes is kept. */
  held: number[] | null;
}

export class Acceptor implements TargetRegistry {
  readonly #native: NativeBindings;
  readonly #balancer: Balancer;
  readonly #doors = new Map<number, Door>();
  #waiting: SentConnection[] = [];
  #closed = false;

  constructor(native: NativeBindings, balancer: Balancer) {
    this.#native = native;
    this.#balancer = balancer;
  }

  /**
   * Binds every doorway, in order; listener n of `dispatch` messages is `doorways[n]`.
   * @returns the port of each, or the first that could not be bound (nothing stays open then).
   */
  async open(doorways: readonly Doorway[]): Promise<readonly number[] | ListenFailure> {
    const ports: number[] = [];
    for (const [index, doorway] of doorways.entries()) {
      const bound = await this.openDoor(index, doorway);
      if (typeof bound !== "number") {
        this.close();
        return bound;
      }
      this.release(index);
      ports.push(bound);
    }
    return ports;
  }

  /**
   * Binds one more doorway. Its connections are kept until {@link release}.
   * @returns its port, or why it cannot be bound.
   */
  async openDoor(listener: number, doorway: Doorway): Promise<number | ListenFailure> {
    const server = createServer({ pauseOnConnect: true }, (socket) => this.#accept(door, socket));
    const door: Door = { server, listener, held: [] };
    const bound = await listenOn(server, doorway);
    if (typeof bound !== "number") return bound;
    server.on("error", (error) => log.error(`listener ${doorway.name}: ${error.message}`));
    this.#doors.set(listener, door);
    return bound;
  }

  /** Every silo knows the listener. */
  release(listener: number): void {
    const door = this.#doors.get(listener);
    const held = door?.held ?? [];
    if (door !== undefined) door.held = null;
    for (const fd of held) this.#dispatch(listener, fd);
  }

  /** The socket of `from` takes connections for `to` from now on. */
  handOver(from: number, to: number): void {
    const door = this.#doors.get(from);
    if (door === undefined) return;
    this.#doors.delete(from);
    door.listener = to;
    this.#doors.set(to, door);
  }

  /** Stops accepting on these listeners; what was accepted goes its way. Idempotent. */
  closeListeners(ids: readonly number[]): void {
    for (const id of ids) {
      const door = this.#doors.get(id);
      this.#doors.delete(id);
      door?.server.close();
      for (const fd of door?.held ?? []) this.#native.closeFd(fd);
    }
  }

  /** Stops accepting at all and closes connections that still wait. Idempotent. */
  close(): void {
    this.#closed = true;
    this.closeListeners([...this.#doors.keys()]);
    for (const { fd } of this.#waiting.splice(0)) this.#native.closeFd(fd);
  }

  register(target: ConnectionTarget): void {
    this.#balancer.add(target);
    for (const { listener, fd } of this.#waiting.splice(0)) this.#dispatch(listener, fd);
  }

  unregister(target: ConnectionTarget): void {
    this.#balancer.remove(target);
  }

  takeBack(connections: readonly SentConnection[]): void {
    for (const { listener, fd } of connections) this.#dispatch(listener, fd);
  }

  #accept(door: Door, socket: Socket): void {
    // A client that reset before it was accepted; without a handler the event would end main.
    socket.on("error", () => socket.destroy());
    const fd = descriptorOf(socket);
    const copy = fd < 0 ? fd : this.#native.dupFd(fd);
    socket.destroy();
    if (copy < 0) {
      const what = "a connection is dropped";
      log.warn(`listener ${door.listener}: ${what}: dup failed with errno ${-copy}`);
    } else if (door.held === null) {
      this.#dispatch(door.listener, copy);
    } else {
      door.held.push(copy);
    }
  }

  /** Takes ownership of `fd`: a silo gets it, or it waits, or it is closed. */
  #dispatch(listener: number, fd: number): void {
    const target = this.#balancer.next();
    if (target !== null) target.give(listener, fd);
    else if (this.#closed || this.#waiting.length >= WAITING_COUNT_MAX) this.#native.closeFd(fd);
    else this.#waiting.push({ listener, fd });
  }
}

/** The descriptor behind an accepted socket, or -1 when it is closed already. */
function descriptorOf(socket: Socket): number {
  const { _handle: handle } = socket as Socket & { readonly _handle: { fd?: number } | null };
  return handle?.fd ?? -1;
}
