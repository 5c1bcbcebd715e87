/**
 * Asks an authorization service about each request before it goes on.
 *
 * The service gets method, path and credentials. 200 lets the request through, with the service's
 * `x-user` added; any other status is the answer to the client. A service that cannot be reached or
 * does not answer in time is the failure policy's matter.
 *
 * Plugin configuration: `cluster=auth timeout_ms=200 on_failure=deny` (or `on_failure=allow`).
 */
import type { Filter, HttpContext, HttpReply, RootContext } from "granary";

const settings = { cluster: "auth", timeoutMs: 200, allowOnFailure: false };

function configure(root: RootContext): boolean {
  for (const pair of root.configuration.split(/\s+/).filter(Boolean)) {
    const [name, value = ""] = pair.split("=");
    if (name === "cluster") settings.cluster = value;
    else if (name === "timeout_ms") settings.timeoutMs = Number(value);
    else if (name === "on_failure") settings.allowOnFailure = value === "allow";
    else return false;
  }
  return settings.timeoutMs > 0;
}

/** The service's decision, or null when there is none. */
async function ask(ctx: HttpContext): Promise<HttpReply | null> {
  const { headers } = ctx.request;
  try {
    const reply = await ctx.httpCall(settings.cluster, {
      path: "/check",
      headers: {
        "x-original-method": headers.get(":method") ?? "",
        "x-original-path": headers.get(":path") ?? "",
        authorization: headers.get("authorization") ?? "",
      },
      timeoutMs: settings.timeoutMs,
    });
    // The proxy's own: no upstream, no answer in time.
    return reply.status === 503 || reply.status === 504 ? null : reply;
  } catch (error) {
    // The call could not be started or was reset. A client that has left is another matter.
    if (error instanceof Error && error.name === "CalloutError") return null;
    throw error;
  }
}

export default {
  onConfigure: configure,

  async onRequestHeaders(ctx) {
    const { headers } = ctx.request;
    // What only the service may say.
    headers.delete("x-user");
    headers.delete("x-auth");
    const reply = await ask(ctx);
    if (reply === null && settings.allowOnFailure) headers.set("x-auth", "unavailable");
    else if (reply === null) ctx.sendLocalResponse(503, { body: "authorization unavailable\n" });
    else if (reply.status !== 200) ctx.sendLocalResponse(reply.status, { body: reply.body });
    else {
      const user = reply.headers.get("x-user");
      if (user !== null) headers.set("x-user", user);
    }
  },
} satisfies Filter;
