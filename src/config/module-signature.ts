/**
 * Ed25519 signatures inside Wasm modules, in the two layouts that are in use:
 *
 *     proxy-wasm-cpp-host:  ...sections, custom "signature" last: u32le 2, 64 bytes over
 *                           SHA-512("WasmSignature" 00000000 <bytes before that section>)
 *     tool-conventions v1:  custom "signature" first: 01 01 01, sets of hashes and signatures,
 *                           each over "wasmsig" 01 01 01 <hashes>; the last hash of a set is the
 *                           SHA-256 of everything behind the section
 *
 * What is malformed is not signed; nothing throws. Source: proxy-wasm-cpp-host signature_util.cc,
 * WebAssembly tool-conventions Signatures.md.
 */
import { createHash, createPublicKey, type KeyObject, verify } from "node:crypto";

const HEADER_BYTES = 8;
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const HASH_BYTES = 32;
/** As wasmsign2. */
const HASHES_MAX = 64;
const SIGNATURES_MAX = 256;
const NAME = "signature";

/** A public key from its 32 raw bytes in base64 or hex; null when it is none. */
export function publicKeyOf(text: string): KeyObject | null {
  const bytes = Buffer.from(text, /^[0-9a-f]{64}$/i.test(text) ? "hex" : "base64");
  if (bytes.length !== KEY_BYTES) return null;
  const jwk = { kty: "OKP", crv: "Ed25519", x: bytes.toString("base64url") };
  try {
    return createPublicKey({ key: jwk, format: "jwk" });
  } catch {
    return null;
  }
}

/** Whether one of `keys` has signed the whole of `module`. */
export function isSignedBy(module: Uint8Array, keys: readonly KeyObject[]): boolean {
  const sections = sectionsOf(module);
  const first = sections?.[0];
  const last = sections?.at(-1);
  if (first === undefined || last === undefined) return false;
  if (last.name === NAME && signedAsCppHost(module, last, keys)) return true;
  return first.name === NAME && signedAsToolConventions(module, first, keys);
}

interface Section {
  /** Of a custom section; "" else. */
  readonly name: string;
  /** Where the section begins, its id included, and where the next one does. */
  readonly start: number;
  readonly end: number;
  /** Behind the name. */
  readonly payload: Uint8Array;
}

function signedAsCppHost(
  module: Uint8Array,
  { start, payload }: Section,
  keys: readonly KeyObject[],
): boolean {
  if (payload.byteLength !== 4 + SIGNATURE_BYTES) return false;
  const view = new DataView(payload.buffer, payload.byteOffset);
  if (view.getUint32(0, true) !== 2) return false;
  const hash = createHash("sha512").update("WasmSignature").update(Buffer.alloc(4));
  const message = hash.update(module.subarray(0, start)).digest();
  return keys.some((key) => verify(null, message, key, payload.subarray(4)));
}

function signedAsToolConventions(
  module: Uint8Array,
  { end, payload }: Section,
  keys: readonly KeyObject[],
): boolean {
  const reader = new Reader(payload);
  // Version, content type (module), hash function (SHA-256).
  for (let i = 0; i < 3; i++) if (reader.byte() !== 1) return false;
  const whole = createHash("sha256").update(module.subarray(end)).digest();
  const sets = reader.count(SIGNATURES_MAX);
  for (let set = 0; set < sets; set++) {
    const hashes = reader.bytes(reader.count(HASHES_MAX) * HASH_BYTES);
    const covers = hashes.byteLength >= HASH_BYTES && whole.equals(hashes.subarray(-HASH_BYTES));
    const message = Buffer.concat([Buffer.from("wasmsig\x01\x01\x01"), hashes]);
    const signatures = reader.count(SIGNATURES_MAX);
    for (let i = 0; i < signatures; i++) {
      reader.bytes(reader.count(payload.byteLength));
      const isEd25519 = reader.byte() === 1;
      const signature = reader.bytes(reader.count(payload.byteLength));
      if (reader.failed) return false;
      if (!covers || !isEd25519 || signature.byteLength !== SIGNATURE_BYTES) continue;
      if (keys.some((key) => verify(null, message, key, signature))) return true;
    }
    if (reader.failed) return false;
  }
  return false;
}

/** Null when the bytes are no module. */
function sectionsOf(module: Uint8Array): readonly Section[] | null {
  const sections: Section[] = [];
  const reader = new Reader(module);
  reader.bytes(HEADER_BYTES);
  while (!reader.done) {
    const start = reader.at;
    const id = reader.byte();
    const body = reader.bytes(reader.count(module.byteLength));
    if (reader.failed) return null;
    const inner = new Reader(body);
    const name = id === 0 ? inner.bytes(inner.count(body.byteLength)) : new Uint8Array(0);
    if (inner.failed) return null;
    sections.push({
      name: Buffer.from(name).toString("latin1"),
      start,
      end: reader.at,
      payload: body.subarray(inner.at),
    });
  }
  return reader.failed ? null : sections;
}

/** Reads forward; after the first fault everything is 0 and empty. */
class Reader {
  readonly #bytes: Uint8Array;
  at = 0;
  failed = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.failed || this.at >= this.#bytes.byteLength;
  }

  byte(): number {
    const value = this.#bytes[this.at];
    if (value === undefined) this.failed = true;
    this.at++;
    return value ?? 0;
  }

  bytes(length: number): Uint8Array {
    const end = this.at + length;
    if (this.failed || end > this.#bytes.byteLength) {
      this.failed = true;
      return new Uint8Array(0);
    }
    const part = this.#bytes.subarray(this.at, end);
    this.at = end;
    return part;
  }

  /** LEB128, at most 32 bits and `max`. */
  count(max: number): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const next = this.byte();
      value += (next & 0x7f) * 2 ** shift;
      if (next < 0x80) {
        if (value > max) this.failed = true;
        return this.failed ? 0 : value;
      }
    }
    this.failed = true;
    return 0;
  }
}
