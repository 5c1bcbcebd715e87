/**
 * The one door to the native addon (`native-bindings/`). Its absence costs speed and the order in
 * which killed uWS silos may end, never correctness: without it nobody passes descriptors around.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { packageRoot } from "./package-root.ts";

export interface NativeBindings {
  /** A duplicate of `fd` that the caller owns, or a negative errno. Thread: any. */
  dupFd(fd: number): number;
  /** 0, or a negative errno. The number must not be used again. Thread: any. */
  closeFd(fd: number): number;
  /**
   * `peerIp peerPort localIp localPort` of a connected IP socket; "" where there is none any more.
   * Thread: any.
   */
  socketEnds(fd: number): string;
  /**
   * Lets the kernel keep about `bytes` that were not read of a socket, and no more as it sees fit.
   * @returns the bytes it keeps at most, its own books among them, or a negative errno.
   * Thread: any.
   */
  capReceiveBuffer(fd: number, bytes: number): number;
  /**
   * Call once at the start of a worker, before uWS is loaded: when the worker is killed, the
   * handles that uWS left open are closed instead of aborting the process. False: built without
   * libuv.
   */
  armLoopGuard(): boolean;
  /**
   * The sockets of this thread; once per thread, which closes them when it ends. Null: built
   * without
   * libuv. In each turn of the loop `deliver` is called once with the number of pairs (slot, flags
   * of SOCKET_READY) that stand in `events`.
   */
  openSockets(events: Int32Array, deliver: (count: number) => void): SocketCalls | null;
}

/** What a socket is ready for, and what `watch` asks for. */
export const SOCKET_READY = {
  readable: 1,
  writable: 2,
  /** An error is pending, and the socket is watched no more; reading or writing tells it. */
  failed: 4,
} as const;

/**
 * Calls on the sockets of one thread. A socket is a slot >= 0; results below 0 are a negative
 * errno, -EBADF for a slot that is not open. None blocks.
 */
export interface SocketCalls {
  /** The slot of a connected stream socket, which belongs to the table unless it fails. */
  adopt(fd: number): number;
  /** Begins to connect and watches until it is decided; `takeError` tells. @param ip no zone */
  connect(ip: string, port: number): number;
  takeError(slot: number): number;
  /** `peerIp peerPort localIp localPort`; "" where there is none any more. */
  ends(slot: number): string;
  watch(slot: number, flags: number): number;
  /** Bytes read into `into`, 0 = the peer sent FIN. */
  receive(slot: number, into: Uint8Array): number;
  /** Latin1; bytes that the kernel took, which may be fewer. */
  sendText(slot: number, text: string): number;
  sendBytes(slot: number, bytes: Uint8Array, from: number): number;
  /** As one segment where possible. */
  sendBoth(slot: number, text: string, bytes: Uint8Array): number;
  /** Sends FIN. */
  finish(slot: number): number;
  /** @param reset 1: the peer sees RST */
  close(slot: number, reset: 0 | 1): number;
  /** The descriptor, which is the caller's now. */
  release(slot: number): number;
}

/** What a load attempt gave: the bindings, or why there are none. */
export type NativeResult =
  | { readonly kind: "loaded"; readonly bindings: NativeBindings; readonly path: string }
  | { readonly kind: "absent"; readonly reason: string };

/** Set to `off`, the addon is not loaded (tests, diagnosis). */
export const NATIVE_SWITCH = "GRANARY_NATIVE";

const FOLDER = join(packageRoot() ?? ".", "native-bindings");
/** The program that builds the addon. */
export const ADDON_BUILDER = join(FOLDER, "build.mjs");
const ADDON = join(FOLDER, "build", "granary.node");

/** Loads the addon of this installation. Thread: any; Node maps the binary once per process. */
export function loadNative(environment: NodeJS.ProcessEnv = process.env): NativeResult {
  if (environment[NATIVE_SWITCH] === "off") {
    return { kind: "absent", reason: `${NATIVE_SWITCH}=off` };
  }
  if (!existsSync(ADDON)) return { kind: "absent", reason: `${ADDON} is not built` };
  try {
    const bindings = createRequire(import.meta.url)(ADDON) as NativeBindings;
    return { kind: "loaded", bindings, path: ADDON };
  } catch (error) {
    return { kind: "absent", reason: `${ADDON}: ${String(error)}` };
  }
}
