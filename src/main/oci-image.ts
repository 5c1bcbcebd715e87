/**
 * A Wasm module out of an image of an OCI registry: manifest, layer, and both forms in which
 * modules are published: a layer that is the module (OCI artifact), or a tar archive, plain or
 * gzipped, with a .wasm file in it ("compat" images). Source: OCI distribution 1.1, solo-io wasm
 * image specification. Thread: main.
 */
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { LIMITS } from "../base/limits.ts";

const MANIFEST_BYTES_MAX = 4_194_304;
const TOKEN_BYTES_MAX = 65_536;
const REDIRECTS_MAX = 5;
const TAR_BLOCK = 512;
const MANIFEST_TYPES = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
].join(", ");

export interface RegistryAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** One GET, by whatever way; rejects when there is no answer. */
export type RegistryGet = (
  url: URL,
  headers: Readonly<Record<string, string>>,
  bytesMax: number,
) => Promise<RegistryAnswer>;

export interface ImageReference {
  /** `host` or `host:port`. */
  readonly registry: string;
  readonly repository: string;
  /** Tag or digest. */
  readonly reference: string;
}

export interface ImageModule {
  readonly bytes: Uint8Array;
  /** SHA-256 of the manifest, hex. */
  readonly manifestSha256: string;
}

/** Null when `uri` names no image. */
export function parseImage(uri: string): ImageReference | null {
  const match =
    /^oci:\/\/([^/\s]+)\/([a-z0-9._/-]+?)(?::([\w.-]{1,128}))?(?:@(sha256:[0-9a-f]{64}))?$/i;
  const [, registry, repository, tag, digest] = match.exec(uri) ?? [];
  if (registry === undefined || repository === undefined) return null;
  return { registry, repository, reference: digest ?? tag ?? "latest" };
}

export interface RegistryAccess {
  readonly scheme: "http" | "https";
  /** What comes behind `Basic `; null = anonymous. */
  readonly login: string | null;
}

/** Rejects with a sentence. */
export async function pullModule(
  image: ImageReference,
  access: RegistryAccess,
  get: RegistryGet,
): Promise<ImageModule> {
  const registry = new Registry(image, access, get);
  let manifest = await registry.manifest(image.reference);
  const { manifestSha256 } = manifest;
  const [other] = manifest.content.manifests ?? [];
  if (other !== undefined) manifest = await registry.manifest(digestOf(other));
  const layers = (manifest.content.layers ?? []).filter(({ digest }) => digest !== undefined);
  // A module layer by its type, else the last layer, as Istio takes it.
  const layer = layers.find(({ mediaType }) => mediaType?.includes("+wasm")) ?? layers.at(-1);
  if (layer === undefined) throw new Error("the image has no layer");
  const blob = await registry.blob(digestOf(layer));
  return { bytes: moduleOf(blob), manifestSha256 };
}

interface Descriptor {
  readonly mediaType?: string;
  readonly digest?: string;
}
interface Manifest {
  readonly manifests?: readonly Descriptor[];
  readonly layers?: readonly Descriptor[];
}

function digestOf({ digest }: Descriptor): string {
  if (digest === undefined || !/^sha256:[0-9a-f]{64}$/.test(digest)) {
    throw new Error(`the digest ${JSON.stringify(digest)} is not a SHA-256`);
  }
  return digest;
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

class Registry {
  readonly #base: string;
  readonly #access: RegistryAccess;
  readonly #get: RegistryGet;
  /** Value of the Authorization header that the registry asked for. */
  #authorization: string | null = null;

  constructor(image: ImageReference, access: RegistryAccess, get: RegistryGet) {
    this.#base = `${access.scheme}://${image.registry}/v2/${image.repository}`;
    this.#access = access;
    this.#get = get;
  }

  async manifest(reference: string): Promise<{ content: Manifest; manifestSha256: string }> {
    const { body } = await this.#ask(`manifests/${reference}`, MANIFEST_BYTES_MAX);
    const manifestSha256 = sha256(body);
    if (reference.startsWith("sha256:") && reference !== `sha256:${manifestSha256}`) {
      throw new Error(`the manifest is not that of ${reference}`);
    }
    const content: unknown = JSON.parse(body.toString("utf8"));
    if (typeof content !== "object" || content === null) throw new Error("the manifest is empty");
    return { content: content as Manifest, manifestSha256 };
  }

  async blob(digest: string): Promise<Buffer> {
    const { body } = await this.#ask(`blobs/${digest}`, LIMITS.moduleBytes);
    if (digest !== `sha256:${sha256(body)}`) throw new Error(`the layer is not ${digest}`);
    return body;
  }

  async #ask(path: string, bytesMax: number): Promise<RegistryAnswer> {
    const url = new URL(`${this.#base}/${path}`);
    let answer = await this.#follow(url, bytesMax);
    if (answer.status === 401 && this.#authorization === null) {
      this.#authorization = await this.#authorize(String(answer.headers["www-authenticate"] ?? ""));
      answer = await this.#follow(url, bytesMax);
    }
    if (answer.status !== 200) throw new Error(`${url.href} answered ${answer.status}`);
    return answer;
  }

  /** Token or password go to the registry alone, not to where it redirects. */
  async #follow(start: URL, bytesMax: number): Promise<RegistryAnswer> {
    let url = start;
    for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
      const isRegistry = url.origin === start.origin;
      const known = isRegistry ? this.#authorization : null;
      const headers = known === null ? {} : { authorization: known };
      const answer = await this.#get(url, { accept: MANIFEST_TYPES, ...headers }, bytesMax);
      const { location } = answer.headers;
      if (answer.status < 300 || answer.status >= 400 || typeof location !== "string")
        return answer;
      url = new URL(location, url);
      if (!/^https?:$/.test(url.protocol)) throw new Error(`a redirect to ${url.protocol}`);
    }
    throw new Error(`more than ${REDIRECTS_MAX} redirects`);
  }

  /** The header that `challenge` asks for. */
  async #authorize(challenge: string): Promise<string> {
    if (!/^basic( |$)/i.test(challenge)) return `Bearer ${await this.#fetchToken(challenge)}`;
    if (this.#access.login === null) throw new Error("the registry asks for a password");
    return `Basic ${this.#access.login}`;
  }

  async #fetchToken(challenge: string): Promise<string> {
    const fields = new Map(
      [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map((match) => [match[1], match[2] ?? ""]),
    );
    const realm = fields.get("realm") ?? "";
    if (!/^bearer /i.test(challenge) || !URL.canParse(realm)) {
      throw new Error("the registry asks for credentials of a kind that is not implemented");
    }
    const url = new URL(realm);
    for (const name of ["service", "scope"]) {
      const value = fields.get(name);
      if (value !== undefined) url.searchParams.set(name, value);
    }
    const { scheme, login } = this.#access;
    if (login !== null && scheme === "https" && url.protocol !== "https:") {
      throw new Error(`the registry wants its password sent in the clear, to ${url.origin}`);
    }
    const headers = login === null ? {} : { authorization: `Basic ${login}` };
    const { status, body } = await this.#get(url, headers, TOKEN_BYTES_MAX);
    const parsed: unknown = status === 200 ? JSON.parse(body.toString("utf8")) : null;
    const { token, access_token: other } = (parsed ?? {}) as Record<string, unknown>;
    const found = token ?? other;
    if (typeof found !== "string" || /[^\x21-\x7e]/.test(found)) {
      throw new Error(`no token from ${url.origin} (status ${status})`);
    }
    return found;
  }
}

/** The module of a layer: the layer itself, or a .wasm file of the archive it is. */
export function moduleOf(layer: Uint8Array): Uint8Array {
  const isGzip = layer[0] === 0x1f && layer[1] === 0x8b;
  const bytes = isGzip ? gunzipSync(layer, { maxOutputLength: LIMITS.moduleBytes }) : layer;
  if (isModule(bytes)) return new Uint8Array(bytes);
  const found = wasmInTar(bytes);
  if (found === null) throw new Error("the image's layer has no .wasm file");
  return new Uint8Array(found);
}

function isModule(bytes: Uint8Array): boolean {
  return bytes[0] === 0 && bytes[1] === 0x61 && bytes[2] === 0x73 && bytes[3] === 0x6d;
}

/** `plugin.wasm`, which the specification asks for, else the first .wasm file. */
function wasmInTar(archive: Uint8Array): Uint8Array | null {
  let first: Uint8Array | null = null;
  for (let at = 0; at + TAR_BLOCK <= archive.byteLength; ) {
    const header = Buffer.from(archive.buffer, archive.byteOffset + at, TAR_BLOCK);
    const name = header.toString("latin1", 0, 100).replace(/\0.*$/s, "");
    const size = Number.parseInt(header.toString("latin1", 124, 136), 8);
    if (name === "" || !(size >= 0)) break;
    const content = archive.subarray(at + TAR_BLOCK, at + TAR_BLOCK + size);
    if (name.endsWith(".wasm") && content.byteLength === size && isModule(content)) {
      if (/(^|\/)plugin\.wasm$/.test(name)) return content;
      first ??= content;
    }
    at += TAR_BLOCK + Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
  }
  return first;
}
