/**
 * What the client is told when an attempt ended without a response: rows of the error table.
 */
import type { ProxyErrorCode } from "../base/errors.ts";
import type { UpstreamResetReason } from "../upstream/types.ts";

export const RESET_ERRORS: Readonly<Record<UpstreamResetReason, ProxyErrorCode>> = {
  connectFailure: "upstreamConnectFailure",
  connectTimeout: "upstreamConnectTimeout",
  connectionTermination: "upstreamReset",
  remoteReset: "upstreamRemoteReset",
  remoteRefused: "upstreamRemoteRefused",
  overflow: "upstreamOverflow",
  noHealthyUpstream: "noHealthyUpstream",
  protocolError: "upstreamProtocolError",
  localReset: "upstreamReset",
};

/** Flag and details of a reset after the response had begun. */
export function lateReset(reason: UpstreamResetReason): [flag: string, details: string] {
  const isRemote = reason === "remoteReset" || reason === "remoteRefused";
  const cause = isRemote ? "remote_reset" : "connection_termination";
  const flag = isRemote ? "UR" : "UC";
  const details = `upstream_reset_after_response_started{${cause}}`;
  return [reason === "protocolError" ? "UPE" : flag, details];
}
