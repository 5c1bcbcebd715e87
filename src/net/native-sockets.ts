/**
 * The sockets of this thread that are read and written by the native addon, past Node's streams:
 * one call into JavaScript per turn of the event loop tells which are ready
 * (native-bindings/sockets.c, docs/adr/006-native-sockets.md).
 * @hot per-chunk
 */
import { constants } from "node:os";
import { loadNative, type SocketCalls } from "../base/native.ts";

/** Told when its socket is ready. */
export interface NativeSocketOwner {
  /** @param flags of SOCKET_READY */
  onReady(flags: number): void;
}

const NO_DESCRIPTOR = -constants.errno.EBADF;

/** Sockets that one call tells of; what is more follows in the next one. */
const EVENTS_MAX = 1_024;

const events = new Int32Array(2 * EVENTS_MAX);
/** By slot. */
const owners: (NativeSocketOwner | null)[] = [];

function deliver(count: number): void {
  for (let i = 0; i < count; i++) {
    // An owner earlier in the row may have closed this one.
    const owner = owners[events[2 * i] as number] ?? null;
    if (owner !== null) owner.onReady(events[2 * i + 1] as number);
  }
}

/** `owner` is told when `slot` is ready; null: nobody any more. */
export function ownSocket(slot: number, owner: NativeSocketOwner | null): void {
  owners[slot] = owner;
}

/** Closes what could not be adopted, if it is a descriptor at all. @param errno < 0, of `adopt` */
export function dropDescriptor(fd: number, errno: number): void {
  const native = loadNative();
  if (errno !== NO_DESCRIPTOR && native.kind === "loaded") native.bindings.closeFd(fd);
}

let calls: SocketCalls | "notAskedYet" | null = "notAskedYet";

/** The calls of this thread; null where there is no addon, or one without libuv. */
export function nativeSockets(): SocketCalls | null {
  if (calls === "notAskedYet") {
    const native = loadNative();
    calls = native.kind === "absent" ? null : native.bindings.openSockets(events, deliver);
  }
  return calls;
}
