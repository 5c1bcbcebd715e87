/** Header maps and bodies of the API, over the hostcalls. @hot per-hostcall */
import { STATUS } from "../../abi/enums.ts";
import { decodePairs, pairsBlock } from "../../abi/pairs.ts";
import type { Body, Data, HeaderList, Headers, Message, ReceivedHeaders } from "./api.ts";
import { bytesOf, checkLatin1, type Host, OUT_LEN, OUT_NUMBER, OUT_PTR, utf8Of } from "./host.ts";

const ALL = 0x7fff_ffff;

/** The list as pairs; one value of several is one pair. */
export function pairsOf(headers: HeaderList): [string, string][] {
  const pairs: [string, string][] = [];
  const add = (name: string, value: string): void => {
    pairs.push([checkLatin1(name), checkLatin1(value)]);
  };
  if (Array.isArray(headers)) {
    for (const [name, value] of headers as readonly (readonly [string, string])[]) add(name, value);
    return pairs;
  }
  for (const [name, value] of Object.entries(headers as Record<string, string | string[]>)) {
    if (typeof value === "string") add(name, value);
    else for (const item of value) add(name, item);
  }
  return pairs;
}

/** The pairs block of `headers`. */
export function headerBlock(headers: HeaderList): Uint8Array {
  return pairsBlock(pairsOf(headers));
}

/** Header map `type` as a list; a map that is not there now is empty. Between act and done. */
export function readPairs(host: Host, type: number): [string, string][] {
  if (host.calls.proxy_get_header_map_pairs(type, OUT_PTR, OUT_LEN) !== STATUS.ok) return [];
  const decoded = decodePairs(host.resultBytes());
  return decoded.ok ? decoded.pairs : [];
}

export class MapHeaders implements Headers {
  readonly #host: Host;
  readonly #id: number;
  readonly #type: number;

  constructor(host: Host, id: number, type: number) {
    this.#host = host;
    this.#id = id;
    this.#type = type;
  }

  get(name: string): string | null {
    const host = this.#host;
    host.begin();
    const key = host.putText(name);
    host.act(this.#id);
    const status = host.calls.proxy_get_header_map_value(
      this.#type,
      key,
      name.length,
      OUT_PTR,
      OUT_LEN,
    );
    host.done();
    // A map that is not there now has no headers.
    return status === STATUS.ok ? host.resultText() : null;
  }

  has(name: string): boolean {
    return this.get(name) !== null;
  }

  getAll(name: string): string[] {
    const wanted = name.toLowerCase();
    return this.entries()
      .filter(([key]) => key === wanted)
      .map(([, value]) => value);
  }

  entries(): [string, string][] {
    this.#host.begin();
    this.#host.act(this.#id);
    const pairs = readPairs(this.#host, this.#type);
    this.#host.done();
    return pairs;
  }

  set(name: string, value: string): void {
    this.#change("proxy_replace_header_map_value", name, value);
  }

  add(name: string, value: string): void {
    this.#change("proxy_add_header_map_value", name, value);
  }

  delete(name: string): void {
    const host = this.#host;
    host.begin();
    const key = host.putText(name);
    host.act(this.#id);
    const status = host.calls.proxy_remove_header_map_value(this.#type, key, name.length);
    host.end("proxy_remove_header_map_value", status);
  }

  setAll(headers: HeaderList): void {
    const host = this.#host;
    const block = headerBlock(headers);
    host.begin();
    const ptr = host.putBytes(block);
    host.act(this.#id);
    const status = host.calls.proxy_set_header_map_pairs(this.#type, ptr, block.byteLength);
    host.end("proxy_set_header_map_pairs", status);
  }

  #change(
    hostcall: "proxy_replace_header_map_value" | "proxy_add_header_map_value",
    name: string,
    value: string,
  ): void {
    const host = this.#host;
    host.begin();
    const key = host.putText(name);
    const text = host.putText(value);
    host.act(this.#id);
    const status = host.calls[hostcall](this.#type, key, name.length, text, value.length);
    host.end(hostcall, status);
  }
}

/** Header lists of answers: copies. Names are in lower case. */
export class CopiedHeaders implements ReceivedHeaders {
  readonly #pairs: readonly [string, string][];
  constructor(pairs: readonly [string, string][]) {
    this.#pairs = pairs;
  }
  get(name: string): string | null {
    const wanted = name.toLowerCase();
    return this.#pairs.find(([key]) => key === wanted)?.[1] ?? null;
  }
  has(name: string): boolean {
    return this.get(name) !== null;
  }
  getAll(name: string): string[] {
    const wanted = name.toLowerCase();
    return this.#pairs.filter(([key]) => key === wanted).map(([, value]) => value);
  }
  entries(): [string, string][] {
    return this.#pairs.map(([name, value]) => [name, value]);
  }
}

/** The bytes of buffer `type` from `start` on, or null. Between act and done. */
export function readBuffer(host: Host, type: number, start = 0, length = ALL): Uint8Array | null {
  const status = host.calls.proxy_get_buffer_bytes(type, start, length, OUT_PTR, OUT_LEN);
  return status === STATUS.ok ? host.resultBytes() : null;
}

export class BufferBody implements Body {
  readonly #host: Host;
  readonly #id: number;
  readonly #type: number;
  /** Bytes at the front that handlers have let go of, while they are still kept. */
  hidden = 0;
  /** Bytes at the end that no handler has been told of. */
  unseen = 0;

  constructor(host: Host, id: number, type: number) {
    this.#host = host;
    this.#id = id;
    this.#type = type;
  }

  get size(): number {
    return Math.max(0, this.kept() - this.hidden - this.unseen);
  }

  /** All bytes that are kept, whoever may see them. */
  protected kept(): number {
    const host = this.#host;
    host.begin();
    host.act(this.#id);
    const status = host.calls.proxy_get_buffer_status(this.#type, OUT_NUMBER, OUT_PTR);
    host.done();
    return status === STATUS.ok ? host.resultNumber() : 0;
  }

  bytes(start = 0, lengthMax = ALL): Uint8Array {
    const host = this.#host;
    const length = this.#within(start, lengthMax);
    host.begin();
    host.act(this.#id);
    const bytes = readBuffer(host, this.#type, this.hidden + start, length);
    host.done();
    return bytes ?? new Uint8Array(0);
  }

  text(): string {
    return utf8Of(this.bytes());
  }

  replace(data: Data): void {
    this.splice(0, ALL, data);
  }

  append(data: Data): void {
    this.splice(this.unseen === 0 ? ALL - this.hidden : this.size, 0, data);
  }

  prepend(data: Data): void {
    this.splice(0, 0, data);
  }

  splice(start: number, lengthMax: number, data: Data): void {
    const host = this.#host;
    const length = this.#within(start, lengthMax);
    const bytes = bytesOf(data);
    host.begin();
    const ptr = host.putBytes(bytes);
    host.act(this.#id);
    const at = this.hidden + start;
    const size = bytes.byteLength;
    const status = host.calls.proxy_set_buffer_bytes(this.#type, at, length, ptr, size);
    host.end("proxy_set_buffer_bytes", status);
  }

  /** The hostcalls stop at the end by themselves, unless what is there is not to be seen. */
  #within(start: number, length: number): number {
    return this.unseen === 0 ? length : Math.max(0, Math.min(length, this.size - start));
  }
}

/** One half of stream `id`; `half` 0 is the request. */
export class StreamMessage implements Message {
  readonly headers: MapHeaders;
  readonly body: BufferBody;
  readonly trailers: MapHeaders;

  constructor(host: Host, id: number, half: number) {
    // Map and buffer types go request, response; trailers follow their headers.
    this.headers = new MapHeaders(host, id, half * 2);
    this.body = new BufferBody(host, id, half);
    this.trailers = new MapHeaders(host, id, half * 2 + 1);
  }
}
