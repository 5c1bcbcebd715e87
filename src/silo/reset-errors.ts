/**
 * What the client is told when an attempt ended without a response: rows of the error table.
 */
import type { ProxyErrorCode } from "../base/errors.ts";
import type { UpstreamResetReason } from "../upstream/types.ts";

export const RESET_ERRORS: Readonly<Record<UpstreamResetReason, ProxyErrorCode>> = {
  connectFailure: "upstreamConnectFailure",
  connectTimeout: "upstreamConnectTimeout",
  connectionTermination: "upstreamReset",
  overflow: "upstreamOverflow",
  noHealthyUpstream: "noHealthyUpstream",
  protocolError: "upstreamProtocolError",
  localReset: "upstreamReset",
};
