/** Signs Wasm modules in both layouts, independently of the code under test. */
import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";

const HEADER_BYTES = 8;

export class TestKey {
  readonly #privateKey: KeyObject;
  /** 32 raw bytes in base64. */
  readonly publicKey: string;

  constructor() {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    this.#privateKey = privateKey;
    this.publicKey = Buffer.from(publicKey.export({ format: "jwk" }).x ?? "", "base64url").toString(
      "base64",
    );
  }

  sign(message: Uint8Array): Buffer {
    return sign(null, message, this.#privateKey);
  }
}

/** Sizes here are below 16,384: two bytes of LEB128 at most. */
function leb(value: number): number[] {
  return value < 128 ? [value] : [(value & 0x7f) | 0x80, value >> 7];
}

function custom(name: string, payload: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from([name.length]), Buffer.from(name), payload]);
  return Buffer.concat([Buffer.from([0, ...leb(body.length)]), body]);
}

export function signedAsCppHost(module: Uint8Array, key: TestKey): Buffer {
  const hash = createHash("sha512").update("WasmSignature\0\0\0\0").update(module).digest();
  const payload = Buffer.concat([Buffer.from([2, 0, 0, 0]), key.sign(hash)]);
  return Buffer.concat([module, custom("signature", payload)]);
}

export function signedAsToolConventions(module: Uint8Array, key: TestKey): Buffer {
  const sections = module.subarray(HEADER_BYTES);
  const hash = createHash("sha256").update(sections).digest();
  const signature = key.sign(Buffer.concat([Buffer.from("wasmsig\x01\x01\x01"), hash]));
  // One set of one hash and one signature without a key id.
  const before = Buffer.concat([Buffer.from([1, 1, 1, 1, 1]), hash, Buffer.from([1, 0, 1, 64])]);
  const section = custom("signature", Buffer.concat([before, signature]));
  return Buffer.concat([module.subarray(0, HEADER_BYTES), section, sections]);
}
