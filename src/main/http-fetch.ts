/**
 * One bounded GET for what is off every request's way: Wasm code and image registries. Connects to
 * where it is told (the endpoint of a cluster) or to the address of the URL. Thread: main.
 */
import { type ClientRequest, request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { request as httpsRequest } from "node:https";
import type { UpstreamTlsConfig } from "../config/types.ts";

/** Where to connect instead of the URL's own address. */
export interface FetchTarget {
  readonly host: string;
  readonly port: number;
  /** Null = plaintext. */
  readonly tls: UpstreamTlsConfig | null;
}

export interface FetchOptions {
  readonly url: URL;
  readonly target: FetchTarget | null;
  readonly headers: Readonly<Record<string, string>>;
  /** For the whole answer. */
  readonly timeoutMs: number;
  readonly bytesMax: number;
}

export interface FetchAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** The answer, whatever its status; rejects with a sentence when there is none. */
export function fetchBytes(options: FetchOptions): Promise<FetchAnswer> {
  const { url, timeoutMs, bytesMax } = options;
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const fail = (reason: string): void => reject(new Error(reason));
    let outgoing: ClientRequest;
    try {
      outgoing = open(options, signal);
    } catch (error) {
      fail(error instanceof Error ? error.message : String(error));
      return;
    }
    outgoing.on("error", (error) => {
      fail(signal.aborted ? `no answer within ${timeoutMs} ms` : error.message);
    });
    outgoing.on("response", (response) => {
      const parts: Buffer[] = [];
      let size = 0;
      response.on("data", (part: Buffer) => {
        size += part.length;
        if (size <= bytesMax) {
          parts.push(part);
          return;
        }
        outgoing.destroy();
        fail(`${url.href}: more than ${bytesMax} bytes`);
      });
      response.on("error", (error) => {
        fail(signal.aborted ? `no answer within ${timeoutMs} ms` : error.message);
      });
      response.on("end", () => {
        const { statusCode = 0, headers } = response;
        resolve({ status: statusCode, headers, body: Buffer.concat(parts) });
      });
    });
    outgoing.end();
  });
}

function open({ url, target, headers }: FetchOptions, signal: AbortSignal): ClientRequest {
  const common = { method: "GET", path: url.pathname + url.search, agent: false, signal };
  const given = { ...headers, host: url.host, "user-agent": "granary" };
  const where = target ?? { host: plainHost(url), port: portOf(url) };
  const options = { ...common, headers: given, host: where.host, port: where.port };
  const isTls = target === null ? url.protocol === "https:" : target.tls !== null;
  if (!isTls) return httpRequest(options);
  const tls = target?.tls ?? null;
  const servername = tls?.sni || plainHost(url);
  if (tls === null) return httpsRequest({ ...options, servername });
  const [pair] = tls.certificates;
  return httpsRequest({
    ...options,
    servername,
    minVersion: tls.minVersion,
    maxVersion: tls.maxVersion,
    // As for requests of clients: without a CA the peer is not verified (Envoy).
    rejectUnauthorized: tls.trustedCa !== null,
    ...(tls.trustedCa === null ? {} : { ca: tls.trustedCa }),
    ...(pair === undefined ? {} : { cert: pair.certificatePem, key: pair.privateKeyPem }),
  });
}

function plainHost(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "");
}

function portOf(url: URL): number {
  if (url.port !== "") return Number(url.port);
  return url.protocol === "https:" ? 443 : 80;
}
