/**
 * What runs now: the program, the seats of its listeners, and why the last update was refused.
 * Thread: main. Written by the live update only.
 */
import type { BoundListener } from "../admin/types.ts";
import type { Clock } from "../base/clock.ts";
import type { ListenerConfig } from "../config/types.ts";
import type { ListenerSeat } from "../silo/messages.ts";
import type { Program } from "./configuration.ts";

/** The last attempt, when it failed. */
export interface UpdateFailure {
  readonly details: string;
  readonly wallMs: number;
}

export class Running {
  readonly #clock: Clock;
  #program: Program;
  #seats: readonly ListenerSeat[];
  #version = 1;
  #loadedWallMs: number;
  failure: UpdateFailure | null = null;

  /** @param seats beside `program.config.listeners` */
  constructor(program: Program, seats: readonly ListenerSeat[], clock: Clock) {
    this.#program = program;
    this.#seats = seats;
    this.#clock = clock;
    this.#loadedWallMs = clock.wallMs();
  }

  get program(): Program {
    return this.#program;
  }

  /** Beside the listeners of the configuration. */
  get seats(): readonly ListenerSeat[] {
    return this.#seats;
  }

  /** 1 at the start, one more with each update that was taken. */
  get version(): number {
    return this.#version;
  }

  get loadedWallMs(): number {
    return this.#loadedWallMs;
  }

  /** The listeners with their seats. */
  get listeners(): readonly { readonly config: ListenerConfig; readonly seat: ListenerSeat }[] {
    return this.#program.config.listeners.map((config, index) => ({
      config,
      seat: this.#seats[index] as ListenerSeat,
    }));
  }

  get boundListeners(): readonly BoundListener[] {
    return this.listeners.map(({ config: { name, address }, seat }) => ({
      name,
      address: { host: address.host, port: seat.port },
    }));
  }

  /** Silos that start from now on get `program`. */
  replace(program: Program, seats: readonly ListenerSeat[]): void {
    this.#program = program;
    this.#seats = seats;
    this.#version++;
    this.#loadedWallMs = this.#clock.wallMs();
    this.failure = null;
  }
}
