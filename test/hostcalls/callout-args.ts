/** Arguments of callout hostcalls, with everything valid unless a test says otherwise. */
import type { HttpCallEvents } from "../../src/vm/roles.ts";
import type { FakeHttpCall } from "../harness/fake-roles.ts";
import { Guest, type Wire } from "./guest.ts";

export type Pairs = readonly (readonly [string, string])[];

/** A pairs block as guests write it (ABI 3.4). */
export function pairsBlock(pairs: Pairs): Uint8Array {
  const sizes = pairs.flatMap(([name, value]) => [name.length, value.length]);
  const head = Buffer.alloc(4 + 4 * sizes.length);
  head.writeUInt32LE(pairs.length, 0);
  sizes.forEach((size, index) => {
    head.writeUInt32LE(size, 4 + 4 * index);
  });
  const texts = pairs.map(([name, value]) => `${name}\0${value}\0`).join("");
  return Buffer.concat([head, Buffer.from(texts, "latin1")]);
}

export const REQUEST: Pairs = [
  [":method", "GET"],
  [":path", "/ask"],
  [":authority", "auth.example"],
];

export interface CallParts {
  readonly upstream?: string;
  readonly headers?: Pairs;
  readonly block?: Uint8Array;
  readonly body?: string;
  readonly trailers?: Pairs;
  readonly timeoutMs?: number;
}

/** Everything of proxy_http_call but the last parameter. */
export function callWire(guest: Guest, parts: CallParts = {}): readonly Wire[] {
  return [
    ...guest.put(parts.upstream ?? "known"),
    ...guest.put(parts.block ?? pairsBlock(parts.headers ?? REQUEST)),
    ...guest.put(parts.body ?? ""),
    ...guest.put(pairsBlock(parts.trailers ?? [])),
    parts.timeoutMs ?? 1000,
  ];
}

/** Makes a call; its status and id. */
export function httpCall(guest: Guest, parts: CallParts = {}): readonly [number, number | null] {
  return guest.fetchU32("proxy_http_call", ...callWire(guest, parts));
}

/** A started guest whose root can make calls in a tick. */
export class Caller {
  readonly guest: Guest;
  /** `[context, id, headers, body bytes, trailers]` of each answer that the guest heard. */
  readonly heard: (readonly number[])[] = [];

  constructor(guest = new Guest()) {
    this.guest = guest;
    guest.on("proxy_on_http_call_response", (_, wire) => {
      this.heard.push(wire);
      return undefined;
    });
    guest.start();
  }

  /** Makes a call from a tick; the id. */
  call(parts: CallParts = {}): number {
    let id = 0;
    this.inTick((guest) => {
      id = httpCall(guest, parts)[1] ?? 0;
    });
    return id;
  }

  inTick(run: (guest: Guest) => void): void {
    this.guest.on("tick", (guest) => {
      run(guest);
      return undefined;
    });
    this.guest.root.setTick(1);
    this.guest.thread.timers.advance(1);
    this.guest.root.setTick(0);
  }

  /** The call that the VM started as the `index`-th. */
  started(index = 0): FakeHttpCall {
    return this.guest.thread.callouts.calls[index] as FakeHttpCall;
  }

  events(index = 0): HttpCallEvents {
    return this.started(index).events;
  }
}
