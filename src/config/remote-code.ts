/** Code that is not on this machine: what the configuration says about it, before it is fetched. */
import type { RemoteDataSource } from "../gen/envoy/config/core/v3/base_pb.ts";
import type { Place } from "./place.ts";
import { durationMs } from "./place.ts";

export interface RemoteCode {
  /** http, https or oci. */
  readonly uri: string;
  /** Lower-case hex; of the module, or of an image's manifest. */
  readonly sha256: string;
  /** The cluster it is fetched through. */
  readonly cluster: string;
  readonly timeoutMs: number;
  readonly retriesMax: number;
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
  /** An update whose code is not in the cache is refused, and the code fetched meanwhile. */
  readonly nackOnCacheMiss: boolean;
}

/** Envoy's defaults. */
const RETRIES = 1;
const BACKOFF_MS = 1_000;
const BACKOFF_FACTOR = 10;
/** Until code is there, an update waits: 5 s where http_uri has no timeout. */
const TIMEOUT_MS = 5_000;

/** What names the code among all of a configuration. */
export function remoteKey({ uri, sha256 }: Pick<RemoteCode, "uri" | "sha256">): string {
  return `${sha256} ${uri}`;
}

/** Null after a problem has been reported. */
export function compileRemote(
  message: RemoteDataSource,
  nackOnCacheMiss: boolean,
  place: Place,
): RemoteCode | null {
  const { httpUri, sha256, retryPolicy } = message;
  const at = place.child("http_uri");
  if (httpUri === undefined) {
    at.problem("http_uri is required", "add http_uri with uri, cluster and timeout");
    return null;
  }
  if (!/^[0-9a-f]{64}$/i.test(sha256)) {
    const hint = "write the 64 hex digits that sha256sum prints for the .wasm file";
    place.child("sha256").problem(`"${sha256}" is not a SHA-256`, hint);
    return null;
  }
  const scheme = URL.canParse(httpUri.uri) ? new URL(httpUri.uri).protocol : "";
  if (!["http:", "https:", "oci:"].includes(scheme)) {
    const hint = "write http://..., https://... or oci://registry/repository:tag";
    at.child("uri").problem(`"${httpUri.uri}" cannot be fetched`, hint);
    return null;
  }
  const cluster = httpUri.httpUpstreamType.value ?? "";
  if (!place.context.clusterNames.has(cluster)) {
    at.child("cluster").problem(`there is no cluster "${cluster}"`, "add it to static_resources");
    return null;
  }
  const back = retryPolicy?.retryBackOff;
  const baseMs = durationMs(back?.baseInterval, BACKOFF_MS);
  return {
    uri: httpUri.uri,
    sha256: sha256.toLowerCase(),
    cluster,
    timeoutMs: durationMs(httpUri.timeout, TIMEOUT_MS),
    retriesMax: retryPolicy?.numRetries ?? RETRIES,
    backoffBaseMs: baseMs,
    backoffMaxMs: durationMs(back?.maxInterval, baseMs * BACKOFF_FACTOR),
    nackOnCacheMiss,
  };
}
