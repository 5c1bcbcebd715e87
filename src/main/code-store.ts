/**
 * Code that the configuration names by address: fetched through the cluster it names, with retries,
 * checked by its SHA-256, and kept in files named by it, so that the next start needs no network.
 * What is in the cache is checked again whenever it is read. Thread: main.
 */
import { createHash, randomInt } from "node:crypto";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type Clock, pause } from "../base/clock.ts";
import { LIMITS } from "../base/limits.ts";
import { Logger } from "../base/log.ts";
import { type RemoteCode, remoteKey } from "../config/remote-code.ts";
import type { ClusterConfig } from "../config/types.ts";
import { type FetchTarget, fetchBytes } from "./http-fetch.ts";
import { parseImage, pullModule } from "./oci-image.ts";
import { registryLogin } from "./registry-auth.ts";

const log = new Logger("wasm");

/** Modules in the cache; the ones that were used longest ago go first. */
const CACHED_FILES_MAX = 256;

export interface CodeRequest {
  readonly wanted: readonly RemoteCode[];
  readonly clusters: readonly ClusterConfig[];
  /** At the start there is nothing to go on with: everything is waited for. */
  readonly isStart: boolean;
}

export interface FetchedCode {
  /** By `remoteKey`. */
  readonly code: ReadonlyMap<string, Uint8Array>;
  /** What could not be had, with one line each. */
  readonly failed: readonly { readonly remote: RemoteCode; readonly reason: string }[];
}

export class CodeStore {
  readonly #clock: Clock;
  readonly #folder: string;
  readonly #registryAuthPath: string;
  /** What the files cannot hold, by `remoteKey`. */
  readonly #kept = new Map<string, Uint8Array>();

  /**
   * @param folder of the cache; made when it is needed.
   * @param registryAuthPath passwords of registries; "" = none
   */
  constructor(clock: Clock, folder: string, registryAuthPath: string) {
    this.#clock = clock;
    this.#folder = folder;
    this.#registryAuthPath = registryAuthPath;
  }

  /** Never rejects. */
  async load({ wanted, clusters, isStart }: CodeRequest): Promise<FetchedCode> {
    const code = new Map<string, Uint8Array>();
    const failed: { readonly remote: RemoteCode; readonly reason: string }[] = [];
    await Promise.all(
      wanted.map(async (remote) => {
        const result = await this.#one(remote, clusters, isStart);
        if (typeof result === "string") failed.push({ remote, reason: `${remote.uri}: ${result}` });
        else code.set(remoteKey(remote), result);
      }),
    );
    return { code, failed: failed.sort((a, b) => a.reason.localeCompare(b.reason)) };
  }

  async #one(
    remote: RemoteCode,
    clusters: readonly ClusterConfig[],
    isStart: boolean,
  ): Promise<Uint8Array | string> {
    const cached = this.#read(remote);
    if (cached !== null) return cached;
    const cluster = clusters.find(({ name }) => name === remote.cluster);
    if (cluster === undefined) return `there is no cluster "${remote.cluster}"`;
    if (remote.nackOnCacheMiss && !isStart) {
      void this.#fetch(remote, cluster);
      return "the code is not in the cache; it is being fetched, reload again when it is there";
    }
    return this.#fetch(remote, cluster);
  }

  /** With retries; a module, which is cached then, or why there is none. */
  async #fetch(remote: RemoteCode, cluster: ClusterConfig): Promise<Uint8Array | string> {
    for (let attempt = 0; ; attempt++) {
      try {
        const authPath = this.#registryAuthPath;
        const bytes = await fetchOnce(remote, cluster, { attempt, authPath });
        this.#keep(remote, bytes);
        log.info(`${remote.uri}: fetched, ${bytes.byteLength} bytes`);
        return bytes;
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        log.warn(`${remote.uri}: attempt ${attempt + 1} failed: ${reason}`);
        if (attempt >= remote.retriesMax) return reason;
        await backOff(remote, attempt);
      }
    }
  }

  #read(remote: RemoteCode): Uint8Array | null {
    const kept = this.#kept.get(remoteKey(remote));
    if (kept !== undefined) return kept;
    const path = this.#pathOf(remote.sha256);
    try {
      if (statSync(path).size > LIMITS.moduleBytes) return null;
      const bytes = new Uint8Array(readFileSync(path));
      if (sha256Of(bytes) !== remote.sha256) {
        rmSync(path, { force: true });
        return null;
      }
      const now = new Date(this.#clock.wallMs());
      utimesSync(path, now, now);
      return bytes;
    } catch {
      return null;
    }
  }

  #keep(remote: RemoteCode, bytes: Uint8Array): void {
    // A file is checked by its name: what an image's manifest names is kept in memory instead.
    if (sha256Of(bytes) !== remote.sha256 || !this.#write(remote.sha256, bytes)) {
      this.#kept.set(remoteKey(remote), bytes);
    }
  }

  /** @returns false when the cache cannot be written */
  #write(sha256: string, bytes: Uint8Array): boolean {
    const path = this.#pathOf(sha256);
    const part = `${path}.${randomInt(2 ** 32)}`;
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      writeFileSync(part, bytes);
      renameSync(part, path);
      this.#trim();
      return true;
    } catch (error) {
      log.warn(`the code cache ${this.#folder} cannot be written: ${String(error)}`);
      return false;
    }
  }

  #pathOf(sha256: string): string {
    return join(this.#folder, `${sha256}.wasm`);
  }

  #trim(): void {
    const files = readdirSync(this.#folder).map((name) => join(this.#folder, name));
    if (files.length <= CACHED_FILES_MAX) return;
    const byAge = files.map((path) => ({ path, mtimeMs: statSync(path).mtimeMs }));
    byAge.sort((a, b) => a.mtimeMs - b.mtimeMs);
    for (const { path } of byAge.slice(0, files.length - CACHED_FILES_MAX)) {
      rmSync(path, { force: true });
    }
  }
}

/** At the start nothing else keeps the process alive. */
function backOff({ backoffBaseMs, backoffMaxMs }: RemoteCode, attempt: number): Promise<void> {
  const mostMs = Math.min(backoffMaxMs, backoffBaseMs * 2 ** attempt);
  return pause(randomInt(mostMs + 1));
}

function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** One attempt; rejects with a sentence. Attempts take the cluster's endpoints in turn. */
async function fetchOnce(
  remote: RemoteCode,
  cluster: ClusterConfig,
  { attempt, authPath }: { readonly attempt: number; readonly authPath: string },
): Promise<Uint8Array> {
  const { timeoutMs, sha256 } = remote;
  const endpoint = cluster.endpoints[attempt % Math.max(1, cluster.endpoints.length)];
  if (endpoint === undefined) throw new Error(`the cluster "${cluster.name}" has no endpoint`);
  const target: FetchTarget = { host: endpoint.host, port: endpoint.port, tls: cluster.tls };
  if (!remote.uri.startsWith("oci:")) {
    const url = new URL(remote.uri);
    const options = { url, target, headers: {}, timeoutMs, bytesMax: LIMITS.moduleBytes };
    const { status, body } = await fetchBytes(options);
    if (status !== 200) throw new Error(`the status is ${status}`);
    return checked(new Uint8Array(body), [sha256Of(body)], sha256);
  }
  const image = parseImage(remote.uri);
  if (image === null) throw new Error("it does not name an image");
  const scheme = cluster.tls === null ? "http" : "https";
  const { host } = new URL(`${scheme}://${image.registry}`);
  const login = registryLogin(authPath, image.registry);
  const module = await pullModule(image, { scheme, login }, (url, headers, bytesMax) => {
    // Token servers and stores of layers have addresses of their own.
    const way = url.host === host ? target : null;
    return fetchBytes({ url, target: way, headers, timeoutMs, bytesMax });
  });
  const { bytes, manifestSha256 } = module;
  return checked(bytes, [sha256Of(bytes), manifestSha256], sha256);
}

function checked(bytes: Uint8Array, found: readonly string[], sha256: string): Uint8Array {
  if (found.includes(sha256)) return bytes;
  throw new Error(`the SHA-256 is ${found.join(" or ")}, not ${sha256}`);
}
