/**
 * A second, simple implementation of what hostcalls do to one stream, for the guest that calls them
 * at random: body of the request, request headers, properties. It knows nothing of `src/vm`.
 */
import { HeaderMap } from "../../src/http/header-map.ts";
import { FakeStream } from "../harness/fake-roles.ts";

const SINGULAR = new Set([":method", ":path", ":authority", ":scheme", "content-length"]);
const NAME = /^:?[!#$%&'*+.^_`|~0-9a-z-]+$/;

export class ModelStream {
  readonly real = new FakeStream();
  body: Buffer = Buffer.from("the body of the request");
  headers: [string, string][] = [
    [":method", "GET"],
    [":path", "/"],
    [":authority", "a"],
    ["x-first", "1"],
  ];
  readonly properties = new Map<string, Buffer>();

  constructor() {
    this.real.maps[0] = HeaderMap.of(this.headers);
    this.real.bodies[0] = new Uint8Array(this.body);
  }

  /** ABI 3.6, with the splice of the written specification. */
  setBody(start: number, length: number, data: Buffer): void {
    const from = Math.min(start, this.body.length);
    const to = Math.min(from + length, this.body.length);
    this.body = Buffer.concat([this.body.subarray(0, from), data, this.body.subarray(to)]);
  }

  bodyPart(start: number, max: number): Buffer {
    return this.body.subarray(Math.min(start, this.body.length), Math.min(start + max, 2 ** 31));
  }

  header(key: string): string | null {
    const name = stored(key);
    return this.headers.find(([each]) => each === name)?.[1] ?? null;
  }

  putHeader(key: string, value: string, how: "add" | "replace"): void {
    const name = stored(key);
    if (!NAME.test(name) || /[\0\r\n]/.test(value)) return;
    if (how === "replace" || SINGULAR.has(name)) this.removeHeader(key);
    this.headers.push([name, value]);
  }

  removeHeader(key: string): void {
    const name = stored(key);
    this.headers = this.headers.filter(([each]) => each !== name);
  }

  /** Compares what the host did with what it should have done; order of headers aside. */
  differences(): string[] {
    const found: string[] = [];
    const body = Buffer.from(this.real.bodies[0] ?? []);
    if (!body.equals(this.body)) found.push(`body ${body.length} is not ${this.body.length}`);
    const map = this.real.maps[0] as HeaderMap;
    const real = Array.from({ length: map.count }, (_, i) =>
      [map.nameAt(i), map.valueAt(i)].join(),
    );
    const wanted = this.headers.map((pair) => pair.join());
    if (real.sort().join("\n") !== wanted.sort().join("\n")) {
      found.push(`headers ${JSON.stringify(real)} are not ${JSON.stringify(wanted)}`);
    }
    for (const [name, value] of this.properties) {
      const stored = this.real.stored.get(`wasm.${name}`);
      if (stored === undefined || !Buffer.from(stored).equals(value))
        found.push(`property ${name}`);
    }
    return found;
  }
}

function stored(key: string): string {
  const name = key.toLowerCase();
  return name === "host" ? ":authority" : name;
}
