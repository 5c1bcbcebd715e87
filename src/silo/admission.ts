/**
 * Whether a request is let in at all, before routes and filters see it: version, upgrade, and the
 * form of its path, which is normalised here. Envoy's order and answers. @hot per-request
 */
import type { HttpConnectionManagerConfig } from "../config/types.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { mergeSlashes, normalizePath, unescapeSlashes } from "../http/uri.ts";
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
): LocalReplyParts | null {
  if (meta.version === 10) {
    if (!hcm.accept10) return errorReply("versionTooLow");
    if (headers.get(":authority") === "") {
      if (hcm.defaultHost10 === "") return errorReply("missingHost");
      headers.set(":authority", hcm.defaultHost10);
    }
  }
  if (meta.upgrade !== null) return errorReply("upgradeRefused");
  if (!hcm.normalizePath && !hcm.mergeSlashes && hcm.escapedSlashes === "keep") return null;
  return normalise(headers, hcm);
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
