/** The upstream, and an issuer: it publishes its key and gives tokens to whoever asks. */
import { generateKeyPairSync, sign } from "node:crypto";
import { createServer } from "node:http";
import { listen, together, upstream } from "../services.mjs";

const KEY_ID = "key-1";
const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

export class Issuer {
  #keys = generateKeyPairSync("rsa", { modulusLength: 2048 });
  /** How often the keys were asked for. */
  asked = 0;

  /** A token with these claims; `header` replaces parts of its header. */
  token(claims, header = {}) {
    const head = encode({ alg: "RS256", typ: "JWT", kid: KEY_ID, ...header });
    const signed = `${head}.${encode(claims)}`;
    const signature = sign("RSA-SHA256", Buffer.from(signed), this.#keys.privateKey);
    return `${signed}.${signature.toString("base64url")}`;
  }

  answer(request, response) {
    const url = new URL(request.url, "http://issuer");
    if (url.pathname === "/jwks.json") {
      this.asked++;
      const key = { ...this.#keys.publicKey.export({ format: "jwk" }), kid: KEY_ID };
      response.end(JSON.stringify({ keys: [key] }));
    } else if (url.pathname === "/token") {
      const exp = Math.floor(Date.now() / 1000) + Number(url.searchParams.get("seconds") ?? 300);
      const sub = url.searchParams.get("sub") ?? "somebody";
      response.end(this.token({ iss: "https://issuer.example", aud: "edge", sub, exp }));
    } else response.writeHead(404).end();
  }
}

export async function startServices(ports = { upstream: 10001, issuer: 10002 }) {
  const issuer = new Issuer();
  const server = createServer((request, response) => issuer.answer(request, response));
  const services = together({
    upstream: await listen(upstream(["x-subject"]), ports.upstream),
    issuer: await listen(server, ports.issuer),
  });
  return { ...services, issuer };
}
