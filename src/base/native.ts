/**
 * The one door to the native addon (`native-bindings/`). Its absence costs speed and the order in
 * which killed uWS silos may end, never correctness: without it nobody passes descriptors around.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

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
}

/** What a load attempt gave: the bindings, or why there are none. */
export type NativeResult =
  | { readonly kind: "loaded"; readonly bindings: NativeBindings; readonly path: string }
  | { readonly kind: "absent"; readonly reason: string };

/** Set to `off`, the addon is not loaded (tests, diagnosis). */
export const NATIVE_SWITCH = "GRANARY_NATIVE";

const ADDON_PATH = join("native-bindings", "build", "granary.node");

/** Loads the addon of this installation. Thread: any; Node maps the binary once per process. */
export function loadNative(environment: NodeJS.ProcessEnv = process.env): NativeResult {
  if (environment[NATIVE_SWITCH] === "off") {
    return { kind: "absent", reason: `${NATIVE_SWITCH}=off` };
  }
  const path = findUpwards(dirname(fileURLToPath(import.meta.url)));
  if (path === null) return { kind: "absent", reason: `${ADDON_PATH} is not built` };
  try {
    const bindings = createRequire(import.meta.url)(path) as NativeBindings;
    return { kind: "loaded", bindings, path };
  } catch (error) {
    return { kind: "absent", reason: `${path}: ${String(error)}` };
  }
}

/** The addon lies in the package root, above the compiled file. */
function findUpwards(start: string): string | null {
  for (let folder = start; ; folder = dirname(folder)) {
    const candidate = join(folder, ADDON_PATH);
    if (existsSync(candidate)) return candidate;
    if (dirname(folder) === folder) return null;
  }
}
