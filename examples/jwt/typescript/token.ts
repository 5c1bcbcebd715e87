/** One token: its parts, its signature by Node's own crypto, its claims. */
import { createPublicKey, type JsonWebKey, type KeyObject, verify } from "node:crypto";
import type { SharedValue } from "granary";

/** Why a token is refused. */
export class TokenError extends Error {}

export interface Expected {
  readonly issuer: string;
  readonly audience: string;
  readonly nowS: number;
}

type Json = Readonly<Record<string, unknown>>;
const MALFORMED = "the token is malformed";

/** The RSA keys of a JSON Web Key Set; none when it is no such set. */
function rsaKeys(text: string): JsonWebKey[] {
  try {
    const { keys } = JSON.parse(text) as { keys?: JsonWebKey[] };
    return (keys ?? []).filter((key) => key.kty === "RSA");
  } catch {
    return [];
  }
}

export function countKeys(text: string): number {
  return rsaKeys(text).length;
}

function json(part: string): Json {
  let value: unknown = null;
  try {
    value = JSON.parse(Buffer.from(part, "base64url").toString());
  } catch {
    // As any other value that is no object.
  }
  if (typeof value !== "object" || value === null) throw new TokenError(MALFORMED);
  return value as Json;
}

/** The key and its id; nothing when it is none. */
function usable(key: JsonWebKey): [string, KeyObject][] {
  try {
    return [[String(key["kid"]), createPublicKey({ key, format: "jwk" })]];
  } catch {
    return [];
  }
}

export class TokenChecker {
  /** Keys by id, made from the set that had this `cas`. */
  #keys = new Map<string, KeyObject>();
  #cas = 0;

  /** The token's subject; throws a {@link TokenError} that says why it is refused. */
  check(token: string, keys: SharedValue, expected: Expected): string {
    const [head, body, signature, ...rest] = token.split(".");
    if (head === undefined || body === undefined || signature === undefined || rest.length > 0) {
      throw new TokenError(MALFORMED);
    }
    const header = json(head);
    // The algorithm is ours to choose, not the token's.
    if (header["alg"] !== "RS256") throw new TokenError("the token's algorithm is not RS256");
    const key = this.#key(String(header["kid"] ?? ""), keys);
    const signed = Buffer.from(`${head}.${body}`);
    if (!verify("RSA-SHA256", signed, key, Buffer.from(signature, "base64url"))) {
      throw new TokenError("the token's signature is wrong");
    }
    return checkClaims(json(body), expected);
  }

  #key(id: string, keys: SharedValue): KeyObject {
    if (keys.cas !== this.#cas) {
      this.#cas = keys.cas;
      this.#keys = new Map(rsaKeys(keys.text()).flatMap(usable));
    }
    const found = this.#keys.get(id);
    if (found === undefined) throw new TokenError("the token's key is unknown");
    return found;
  }
}

function checkClaims(claims: Json, { issuer, audience, nowS }: Expected): string {
  const { exp, nbf, iss, aud, sub } = claims;
  if (typeof exp !== "number" || exp <= nowS) throw new TokenError("the token has expired");
  if (typeof nbf === "number" && nbf > nowS) throw new TokenError("the token is not valid yet");
  const audiences = Array.isArray(aud) ? aud : [aud];
  if (iss !== issuer || !audiences.includes(audience)) {
    throw new TokenError("the token is not for this service");
  }
  if (typeof sub !== "string") throw new TokenError(MALFORMED);
  return sub;
}
