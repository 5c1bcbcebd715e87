/**
 * Limits requests by the header `x-api-key`, in two steps. A count in shared data, which all threads
 * see, limits each key for a window; what is within it is put to a rate-limit service by gRPC
 * (`envoy.service.ratelimit.v3.RateLimitService`), which may say no for reasons of its own. A
 * service that fails lets the request through: a limiter must not be the outage.
 *
 * Plugin configuration: `limit=3 window_ms=10000 cluster=ratelimit`.
 */
import type { Filter, HttpContext, RootContext } from "granary";
import { encodeRequest, isOverLimit } from "./messages.ts";

const settings = { limit: 3, windowMs: 10_000, cluster: "ratelimit" };

function configure(root: RootContext): boolean {
  for (const pair of root.configuration.split(/\s+/).filter(Boolean)) {
    const [name, value = ""] = pair.split("=");
    if (name === "limit") settings.limit = Number(value);
    else if (name === "window_ms") settings.windowMs = Number(value);
    else if (name === "cluster") settings.cluster = value;
    else return false;
  }
  return settings.limit >= 0 && settings.windowMs > 0;
}

/**
 * Counts this request in the present window of `key`; how many there are now. Each window has a
 * number of its own, which is added to in one step and is forgotten when the window is over.
 */
function count(ctx: HttpContext, key: string): number {
  const window = ctx.now() / 1_000_000n / BigInt(settings.windowMs);
  const name = `rate:${key}:${window}`;
  const requests = Number(ctx.sharedData.add(name, 1));
  if (requests === 1) ctx.sharedData.expire(name, settings.windowMs * 2);
  return requests;
}

function refuse(ctx: HttpContext, by: string): void {
  ctx.sendLocalResponse(429, { headers: { "x-limited-by": by }, body: "slow down\n" });
}

/** Whether the service refuses the key. */
async function isRefused(ctx: HttpContext, key: string): Promise<boolean> {
  try {
    const { message } = await ctx.grpcCall(settings.cluster, {
      service: "envoy.service.ratelimit.v3.RateLimitService",
      method: "ShouldRateLimit",
      message: encodeRequest("edge", "api_key", key),
      timeoutMs: 500,
    });
    return isOverLimit(message);
  } catch (error) {
    if (error instanceof Error && error.name === "ContextEndedError") throw error;
    ctx.log.warn(`the rate-limit service: ${String(error)}`);
    return false;
  }
}

export default {
  onConfigure: configure,

  async onRequestHeaders(ctx) {
    const { headers } = ctx.request;
    const key = headers.get("x-api-key");
    if (key === null) return ctx.sendLocalResponse(401, { body: "x-api-key is missing\n" });
    const requests = count(ctx, key);
    if (requests > settings.limit) return refuse(ctx, "shared-data");
    headers.set("x-ratelimit-remaining", String(settings.limit - requests));
    if (await isRefused(ctx, key)) refuse(ctx, "service");
    return undefined;
  },
} satisfies Filter;
