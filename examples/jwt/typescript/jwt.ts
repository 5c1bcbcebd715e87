/**
 * Checks JSON Web Tokens (RS256). One singleton service fetches the issuer's keys and keeps them in
 * shared data, where the filters of all threads find them: nobody else ever asks the issuer.
 *
 * Two plugins of this file share a `vm_id`. Plugin configuration of the service:
 * `role=keys cluster=issuer path=/jwks.json refresh_ms=60000`; of the filter:
 * `role=filter issuer=https://issuer.example audience=edge`.
 */
import type { Filter, HttpContext, RootContext } from "granary";
import { countKeys, TokenChecker, TokenError } from "./token.ts";

const SHARED_KEYS = "jwks";
/** Until there are keys they are asked for this often. */
const RETRY_MS = 500;

const checker = new TokenChecker();

function readSettings(root: RootContext): void {
  for (const pair of root.configuration.split(/\s+/).filter(Boolean)) {
    const at = pair.indexOf("=");
    root.state[pair.slice(0, at)] = pair.slice(at + 1);
  }
}

const setting = (root: RootContext, name: string): string => String(root.state[name] ?? "");

async function fetchKeys(root: RootContext): Promise<void> {
  try {
    const reply = await root.httpCall(setting(root, "cluster"), {
      path: setting(root, "path"),
      timeoutMs: 2_000,
    });
    const count = reply.status === 200 ? countKeys(reply.text()) : 0;
    if (count === 0) return root.log.warn("no keys came; what there was stays");
    root.sharedData.set(SHARED_KEYS, reply.body);
    root.log.info(`${count} keys are kept`);
    root.setTick(Number(setting(root, "refresh_ms")));
  } catch (error) {
    root.log.warn(`the keys cannot be had: ${String(error)}`);
  }
}

function subjectOf(ctx: HttpContext): string {
  const header = ctx.request.headers.get("authorization") ?? "";
  if (!header.startsWith("Bearer ")) throw new TokenError("a bearer token is missing");
  const keys = ctx.sharedData.get(SHARED_KEYS);
  if (keys === null) throw new TokenError("the keys are not here yet");
  return checker.check(header.slice("Bearer ".length), keys, {
    issuer: setting(ctx.root, "issuer"),
    audience: setting(ctx.root, "audience"),
    nowS: Number(ctx.now() / 1_000_000_000n),
  });
}

export default {
  onConfigure(root) {
    readSettings(root);
    if (setting(root, "role") !== "keys") return true;
    root.setTick(RETRY_MS);
    return Number(setting(root, "refresh_ms")) > 0;
  },

  onTick: fetchKeys,

  onRequestHeaders(ctx) {
    try {
      ctx.request.headers.set("x-subject", subjectOf(ctx));
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      const headers = { "www-authenticate": "Bearer" };
      ctx.sendLocalResponse(401, { headers, body: `${error.message}\n` });
    }
  },
} satisfies Filter;
