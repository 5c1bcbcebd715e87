/**
 * The one door to uWebSockets.js: loads it when it is needed, and tells why not where it is absent
 * or has no binary for this Node. The types are the part of its API that Granary uses; functions
 * that only newer builds have are optional.
 */

/** What uWS takes as text or bytes; strings go out as UTF-8. */
export type UwsText = string | Uint8Array;

/** A request; dead as soon as the handler has returned. */
export interface UwsRequest {
  getCaseSensitiveMethod(): string;
  getUrl(): string;
  /** Undefined without "?". */
  getQuery(): string | undefined;
  /** The first value, "" when absent. */
  getHeader(name: string): string;
  forEach(visit: (name: string, value: string) => void): void;
}

/** A response; every call throws once it is complete or aborted. */
export interface UwsResponseHandle {
  writeStatus(status: UwsText): unknown;
  writeHeader(name: UwsText, value: UwsText): unknown;
  /** One chunk; false when bytes are left in uWS. */
  write(chunk: UwsText): boolean;
  end(body?: UwsText, closeConnection?: boolean): unknown;
  endWithoutBody(): unknown;
  /** [everything taken, response complete]. */
  tryEnd(chunk: UwsText, totalBytes: number): [boolean, boolean];
  getWriteOffset(): number;
  onWritable(run: (offset: number) => boolean): unknown;
  onAborted(run: () => void): unknown;
  /** `chunk` is dead when `run` returns. */
  onData(run: (chunk: ArrayBuffer, isLast: boolean) => void): unknown;
  pause(): void;
  resume(): void;
  cork(run: () => void): unknown;
  close(): unknown;
  getRemoteAddressAsText(): ArrayBuffer;
  getRemotePort?(): number;
  beginWrite?(): unknown;
}

export type UwsHandler = (response: UwsResponseHandle, request: UwsRequest) => void;

export interface UwsApp {
  any(pattern: string, run: UwsHandler): unknown;
  /** `change`: 1 for a new connection, -1 for one that is gone. */
  filter(run: (response: UwsResponseHandle, change: number) => void): unknown;
  listen(host: string, port: number, run: (listening: object | false) => void): unknown;
  /** Serves a connection that somebody else accepted; the descriptor is uWS's from now on. */
  adoptSocket(fd: number): unknown;
  /** Closes the listening sockets and every connection. */
  close(): unknown;
}

export interface UwsSslOptions {
  readonly key_file_name: string;
  readonly cert_file_name: string;
  readonly passphrase?: string;
  readonly ssl_ciphers?: string;
}

export interface UwsLibrary {
  App(): UwsApp;
  SSLApp(options: UwsSslOptions): UwsApp;
  us_listen_socket_close(listening: object): void;
  us_socket_local_port(listening: object): number;
  _cfg?(key: string): void;
}

export type UwsLoad =
  | { readonly kind: "loaded"; readonly library: UwsLibrary }
  | { readonly kind: "absent"; readonly reason: string };

/** A name that the compiler does not resolve: users may install another build under it. */
const PACKAGE: string = "uWebSockets.js";

/** Loads uWS into this thread. Thread: any; arm the addon's loop guard before, in workers. */
export async function loadUws(): Promise<UwsLoad> {
  let loaded: { readonly default?: unknown };
  try {
    loaded = (await import(PACKAGE)) as { readonly default?: unknown };
  } catch (error) {
    return { kind: "absent", reason: absence(error) };
  }
  // The official build is CommonJS, repacked ones are ES modules.
  const library = (loaded.default ?? loaded) as Partial<UwsLibrary>;
  if (typeof library.App !== "function" || typeof library.SSLApp !== "function") {
    return { kind: "absent", reason: "uWebSockets.js has no App and SSLApp" };
  }
  // Responses do not name the server software twice.
  library._cfg?.("silent");
  return { kind: "loaded", library: library as UwsLibrary };
}

function absence(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (code === "ERR_MODULE_NOT_FOUND") return "uWebSockets.js is not installed";
  const { version, platform, arch, versions } = process;
  const abi = `Node ${version} (ABI ${versions.modules}) on ${platform} ${arch}`;
  return `the installed uWebSockets.js does not load in ${abi}`;
}
