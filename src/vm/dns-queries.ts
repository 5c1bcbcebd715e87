/**
 * Names that guests of one VM look up (`envoy_resolve_dns`), and how the answer reaches them.
 *
 *     +-------+------------------+-----+------------------------------------+-----+
 *     | count | TTL in seconds   | ... | address and port 0, text, NUL      | ... |
 *     +-------+------------------+-----+------------------------------------+-----+
 *       u32     u32 per address
 *
 * A name without addresses is count 0; a look-up that failed is nothing at all. Source: ABI 2.10.
 */
import { LIMITS } from "../base/limits.ts";
import type { DnsReply } from "./roles.ts";
import type { RootContext } from "./root-context.ts";
import type { Vm } from "./vm.ts";

/** Envoy's first token. */
const FIRST_TOKEN = 2;
const NOTHING = new Uint8Array(0);

/** Buffer 8 of `envoy_on_resolve_dns`. */
export function dnsAnswerBytes({ addresses, ttlS }: DnsReply): Uint8Array {
  if (addresses === null) return NOTHING;
  const texts = addresses.map((address) =>
    address.includes(":") ? `[${address}]:0\0` : `${address}:0\0`,
  );
  const head = Buffer.alloc(4 + texts.length * 4);
  head.writeUInt32LE(texts.length, 0);
  texts.forEach((_, index) => {
    head.writeUInt32LE(ttlS, 4 + index * 4);
  });
  return new Uint8Array(Buffer.concat([head, Buffer.from(texts.join(""), "latin1")]));
}

export class DnsQueries {
  readonly #vm: Vm;
  #nextToken = FIRST_TOKEN;
  #count = 0;

  constructor(vm: Vm) {
    this.#vm = vm;
  }

  /** The token of the next query, which is the guest's before the query starts. */
  nextToken(): number {
    const token = this.#nextToken;
    this.#nextToken = token === 0xffff_ffff ? 1 : token + 1;
    return token;
  }

  /** False when the VM has as many queries under way as it may have. */
  start(root: RootContext, name: string, token: number): boolean {
    if (this.#count >= LIMITS.dnsQueriesCount) return false;
    this.#count++;
    this.#vm.roles.dns.resolve(name, (reply) => {
      this.#count--;
      root.dnsResolved(token, dnsAnswerBytes(reply));
    });
    return true;
  }
}
