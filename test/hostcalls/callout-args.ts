/** Arguments of callout hostcalls, with everything valid unless a test says otherwise. */
import assert from "node:assert/strict";
import type { HttpCallEvents } from "../../src/vm/roles.ts";
import type { FakeGrpcCall, FakeHttpCall } from "../harness/fake-callouts.ts";
import { Guest, type Wire } from "./guest.ts";

const GRPC_CALLBACKS = [
  "proxy_on_grpc_receive_initial_metadata",
  "proxy_on_grpc_receive",
  "proxy_on_grpc_receive_trailing_metadata",
  "proxy_on_grpc_close",
] as const;

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

export interface GrpcParts {
  readonly upstream?: string | Uint8Array;
  readonly service?: string;
  readonly method?: string;
  readonly metadata?: Pairs;
  readonly message?: string;
  readonly timeoutMs?: number;
}

/** Everything of proxy_grpc_stream but the last parameter. */
export function streamWire(guest: Guest, parts: GrpcParts = {}): readonly Wire[] {
  return [
    ...guest.put(parts.upstream ?? "known"),
    ...guest.put(parts.service ?? "pkg.Service"),
    ...guest.put(parts.method ?? "Method"),
    ...guest.put(pairsBlock(parts.metadata ?? [])),
  ];
}

/** Makes a gRPC call; its status and id. */
export function grpcCall(guest: Guest, parts: GrpcParts = {}): readonly [number, number | null] {
  const wire = [
    ...streamWire(guest, parts),
    ...guest.put(parts.message ?? "m"),
    parts.timeoutMs ?? 1000,
  ];
  return guest.fetchU32("proxy_grpc_call", ...wire);
}

/** Opens a gRPC stream; its status and id. */
export function grpcStream(guest: Guest, parts: GrpcParts = {}): readonly [number, number | null] {
  return guest.fetchU32("proxy_grpc_stream", ...streamWire(guest, parts));
}

/** A started guest whose root can make calls in a tick. */
export class Caller {
  readonly guest: Guest;
  /** `[context, id, headers, body bytes, trailers]` of each answer that the guest heard. */
  readonly heard: (readonly number[])[] = [];

  /** `what id number` of each gRPC callback. */
  readonly grpcHeard: string[] = [];

  constructor(guest = new Guest()) {
    this.guest = guest;
    guest.on("proxy_on_http_call_response", (_, wire) => {
      this.heard.push(wire);
      return undefined;
    });
    for (const name of GRPC_CALLBACKS) {
      guest.on(name, (inner, wire) => {
        const [context, id, number] = wire;
        assert.equal(context, inner.root.id);
        this.grpcHeard.push(`${name.slice("proxy_on_grpc_".length)} ${id} ${number}`);
        return undefined;
      });
    }
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

  /** Opens a stream from a tick; the id. */
  stream(parts: GrpcParts = {}): number {
    let id = 0;
    this.inTick((guest) => {
      id = grpcStream(guest, parts)[1] ?? 0;
    });
    return id;
  }

  /** Makes a gRPC call from a tick; the id. */
  grpc(parts: GrpcParts = {}): number {
    let id = 0;
    this.inTick((guest) => {
      id = grpcCall(guest, parts)[1] ?? 0;
    });
    return id;
  }

  /** The gRPC callout that the VM started as the `index`-th. */
  grpcStarted(index = 0): FakeGrpcCall {
    return this.guest.thread.callouts.grpcCalls[index] as FakeGrpcCall;
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
