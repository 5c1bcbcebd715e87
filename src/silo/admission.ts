/**
 * Whether a request is let in at all, before routes and filters see it: version, upgrade, and the
 * form of its path, which is normalised here. Envoy's order and answers. @hot per-request
 */
import type { HttpConnectionManagerConfig } from "../config/types.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { hostOf, mergeSlashes, normalizePath, portOf, unescapeSlashes } from "../http/uri.ts";
import type { RequestMeta } from "./downstream/types.ts";
import { errorReply, type LocalReplyParts } from "./local-reply.ts";

const REDIRECT_STATUS = 307;

/**
 * Makes the path of `headers` what the configuration wants.
 * @returns the reply to a request that is not let in, or null. All but the redirect close.
 */
export function refusalOf(
  headers: HeaderMap,
  meta: RequestMeta,
  hcm: HttpConnectionManagerConfig,
  localPort: number,
): LocalReplyParts | null {
  if (meta.version === 10) {
    if (!hcm.accept10) return errorReply("versionTooLow");
    if (headers.get(":authority") === "") {
      if (hcm.defaultHost10 === "") return errorReply("missingHost");
      headers.set(":authority", hcm.defaultHost10);
    }
  }
  if (meta.upgrade !== null) {
    // No route matches CONNECT.
    return errorReply(meta.upgrade === "connect" ? "routeNotFound" : "upgradeRefused");
  }
  if (hcm.stripTrailingHostDot || hcm.stripHostPort !== "none") stripHost(headers, localPort, hcm);
  if (!hcm.normalizePath && !hcm.mergeSlashes && hcm.escapedSlashes === "keep") return null;
  return normalise(headers, hcm);
}

/** Takes the port and the root's dot off the host, as configured. */
function stripHost(headers: HeaderMap, localPort: number, hcm: HttpConnectionManagerConfig): void {
  const authority = headers.get(":authority") as string;
  const port = portOf(authority);
  const isStripped =
    port >= 0 &&
    (hcm.stripHostPort === "any" || (hcm.stripHostPort === "matching" && port === localPort));
  let host = hostOf(authority);
  const rest = isStripped ? "" : authority.slice(host.length);
  if (hcm.stripTrailingHostDot && host.endsWith(".")) host = host.slice(0, -1);
  headers.set(":authority", host + rest);
}

/** Whether nothing may follow on the connection after this refusal. */
export function refusalCloses(reply: LocalReplyParts): boolean {
  return reply.status !== REDIRECT_STATUS;
}

function normalise(headers: HeaderMap, hcm: HttpConnectionManagerConfig): LocalReplyParts | null {
  const before = headers.get(":path") as string;
  let path: string | null = before;
  let redirected = false;
  if (hcm.escapedSlashes !== "keep") {
    path = unescapeSlashes(before);
    if (path !== before) {
      if (hcm.escapedSlashes === "reject") return errorReply("pathInvalid");
      redirected = hcm.escapedSlashes === "redirect";
    }
  }
  if (hcm.normalizePath) path = normalizePath(path);
  if (path === null) return errorReply("pathInvalid");
  if (hcm.mergeSlashes) path = mergeSlashes(path);
  if (path !== before) headers.set(":path", path);
  if (!redirected) return null;
  return {
    ...errorReply("pathInvalid"),
    status: REDIRECT_STATUS,
    headers: [["location", path]],
  };
}
