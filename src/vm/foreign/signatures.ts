/**
 * `verify_signature` and `sign`: RSA (PKCS #1 v1.5) and ECDSA over SHA-1 and SHA-2. A signature
 * that is wrong, or a key that is none, is an answer with an error text, not an error status; the
 * texts are Envoy's.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { STATUS } from "../../abi/enums.ts";
import { WireMessage, wireMessage } from "../../abi/protobuf-wire.ts";
import { LIMITS } from "../../base/limits.ts";
import type { ForeignFamily, ForeignFunction } from "./types.ts";

const HASHES: ReadonlySet<string> = new Set(["sha1", "sha224", "sha256", "sha384", "sha512"]);
const NO_VERIFIER = "Failed to initialize digest verify.";
const NOT_VERIFIED = "Failed to verify digest. Error code: 0";
const NO_PRIVATE_KEY = "Invalid key type: private key required for signing operation.";
const NO_SIGNER = "Invalid private key: key data is corrupted or malformed.";

/** A key in one of its two forms. Source: VerifySignatureArguments, SignArguments of Envoy. */
interface KeyInput {
  readonly der: Uint8Array;
  readonly pem: string;
}

/** Exactly one form must be given. */
function keyInput(der: Uint8Array, pem: string | null): KeyInput | null {
  if (pem === null || (der.byteLength === 0) === (pem === "")) return null;
  return { der, pem };
}

/** Only keys that a hash can be signed with; null for anything else. */
function importKey({ der, pem }: KeyInput, kind: "public" | "private"): KeyObject | null {
  if (der.byteLength > LIMITS.signatureKeyBytes || pem.length > LIMITS.signatureKeyBytes) {
    return null;
  }
  try {
    const bytes = Buffer.from(der);
    if (kind === "private") {
      return createPrivateKey(
        pem === "" ? { key: bytes, format: "der", type: "pkcs8" } : { key: pem, format: "pem" },
      );
    }
    // A private key given as PEM would be taken for its public half.
    if (pem.includes("PRIVATE KEY")) return null;
    return createPublicKey(
      pem === "" ? { key: bytes, format: "der", type: "spki" } : { key: pem, format: "pem" },
    );
  } catch {
    return null;
  }
}

function verifyProblem(hash: string, key: KeyInput, message: WireMessage): string {
  if (!HASHES.has(hash.toLowerCase())) return `${hash} is not supported.`;
  const publicKey = importKey(key, "public");
  if (publicKey === null) return NO_VERIFIER;
  try {
    const isValid = verify(hash.toLowerCase(), message.bytes(4), publicKey, message.bytes(3));
    return isValid ? "" : NOT_VERIFIED;
  } catch {
    // The key is of a kind that takes no hash.
    return NO_VERIFIER;
  }
}

const verifySignature: ForeignFunction = (args, answer) => {
  const message = args.byteLength > LIMITS.foreignDataBytes ? null : WireMessage.read(args);
  const hash = message === null ? null : message.text(1);
  if (message === null || hash === null) return STATUS.badArgument;
  const key = keyInput(message.bytes(2), message.text(5));
  if (key === null) return STATUS.badArgument;
  const problem = verifyProblem(hash, key, message);
  answer.bytes = wireMessage([
    [1, problem === ""],
    [2, problem],
  ]);
  return STATUS.ok;
};

/** The signature, or why there is none. */
function signText(hash: string, key: KeyInput, text: Uint8Array): Uint8Array | string {
  if (!HASHES.has(hash.toLowerCase())) return `${hash} is not supported.`;
  const privateKey = importKey(key, "private");
  if (privateKey === null) return NO_PRIVATE_KEY;
  try {
    return sign(hash.toLowerCase(), text, privateKey);
  } catch {
    return NO_SIGNER;
  }
}

const signMessage: ForeignFunction = (args, answer) => {
  const message = args.byteLength > LIMITS.foreignDataBytes ? null : WireMessage.read(args);
  const hash = message === null ? null : message.text(1);
  if (message === null || hash === null) return STATUS.badArgument;
  const key = keyInput(message.bytes(2), message.text(4));
  if (key === null) return STATUS.badArgument;
  const signed = signText(hash, key, message.bytes(3));
  const isSigned = typeof signed !== "string";
  answer.bytes = wireMessage([
    [1, isSigned],
    [2, isSigned ? signed : ""],
    [3, isSigned ? "" : signed],
  ]);
  return STATUS.ok;
};

export const signatureFunctions: ForeignFamily = () => ({
  verify_signature: verifySignature,
  sign: signMessage,
});
