/**
 * A server of Wasm code for tests: plain files, and an OCI registry with bearer tokens whose blobs
 * are elsewhere (a redirect), as the big registries have it.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";

export const sha256 = (bytes: Uint8Array): string =>
  createHash("sha256").update(bytes).digest("hex");

const TOKEN = "s3cret";

/** A tar archive of one file. */
export function tarOf(name: string, content: Uint8Array): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0, "latin1");
  header.write(content.byteLength.toString(8).padStart(11, "0"), 124, "latin1");
  const padding = Buffer.alloc((512 - (content.byteLength % 512)) % 512);
  return Buffer.concat([header, content, padding, Buffer.alloc(1024)]);
}

export class CodeServer {
  readonly #server: Server;
  /** Path to answer: bytes, or a status. */
  readonly files = new Map<string, Uint8Array | number>();
  /** `METHOD path authorization`, in order. */
  readonly requests: string[] = [];
  /** Answers with 503 this often before it is well. */
  failures = 0;
  /** What comes behind `Basic ` for a token and for images of `basic/`; null = anybody. */
  login: string | null = null;

  private constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  static async listen(): Promise<CodeServer> {
    const made = new CodeServer();
    await new Promise<void>((resolve) => made.#server.listen(0, "127.0.0.1", resolve));
    return made;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  /**
   * Publishes an image and gives the SHA-256 of its manifest. `layer`: how the module is in it.
   */
  publish(repository: string, tag: string, layer: { type: string; bytes: Uint8Array }): string {
    const digest = `sha256:${sha256(layer.bytes)}`;
    const manifest = Buffer.from(
      JSON.stringify({ schemaVersion: 2, layers: [{ mediaType: layer.type, digest }] }),
    );
    this.files.set(`/v2/${repository}/manifests/${tag}`, manifest);
    this.files.set(`/v2/${repository}/manifests/sha256:${sha256(manifest)}`, manifest);
    this.files.set(`/store/${digest}`, layer.bytes);
    return sha256(manifest);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { url = "", headers } = request;
    this.requests.push(`${url} ${headers.authorization ?? "-"}`);
    if (this.failures > 0) {
      this.failures--;
      response.writeHead(503).end();
      return;
    }
    const isKnown = this.login === null || headers.authorization === `Basic ${this.login}`;
    if (url.startsWith("/v2/basic/") && !isKnown) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="registry"' }).end();
      return;
    }
    if (url.startsWith("/token")) {
      if (!isKnown) {
        response.writeHead(401).end();
        return;
      }
      response.end(JSON.stringify({ token: TOKEN }));
      return;
    }
    if (/^\/v2\/(?!basic\/)/.test(url) && headers.authorization !== `Bearer ${TOKEN}`) {
      const realm = `http://127.0.0.1:${this.port}/token`;
      const challenge = `Bearer realm="${realm}",service="registry",scope="repository:x:pull"`;
      response.writeHead(401, { "www-authenticate": challenge }).end();
      return;
    }
    const blob = /^\/v2\/.+\/blobs\/(.+)$/.exec(url)?.[1];
    if (blob !== undefined) {
      // Another origin: the token must not follow.
      response.writeHead(307, { location: `http://localhost:${this.port}/store/${blob}` }).end();
      return;
    }
    const file = this.files.get(url) ?? 404;
    if (typeof file === "number") response.writeHead(file).end();
    else response.end(file);
  }
}

/** Layers in the forms that are in use. */
export const LAYERS = {
  artifact: (module: Uint8Array) => ({
    type: "application/vnd.module.wasm.content.layer.v1+wasm",
    bytes: module,
  }),
  compat: (module: Uint8Array) => ({
    type: "application/vnd.docker.image.rootfs.diff.tar.gzip",
    bytes: gzipSync(tarOf("./plugin.wasm", module)),
  }),
  plainTar: (module: Uint8Array) => ({
    type: "application/vnd.oci.image.layer.v1.tar",
    bytes: tarOf("filter.wasm", module),
  }),
} as const;
