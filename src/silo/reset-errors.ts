/**
 * What the client is told when an attempt ended without a response: rows of the error table.
 */
import type { ProxyErrorCode } from "../base/errors.ts";
import type { UpstreamResetReason } from "../upstream/types.ts";
import { errorReply, type LocalReplyParts } from "./local-reply.ts";

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

const LATE_CAUSES: Readonly<Partial<Record<UpstreamResetReason, readonly [string, string]>>> = {
  remoteReset: ["UR", "remote_reset"],
  remoteRefused: ["UR", "remote_refused_stream_reset"],
  protocolError: ["UPE", "protocol_error"],
};

/** Flag and details of a reset after the response had begun. */
export function lateReset(reason: UpstreamResetReason): [flag: string, details: string] {
  const [flag, cause] = LATE_CAUSES[reason] ?? ["UC", "connection_termination"];
  return [flag, `upstream_reset_after_response_started{${cause}}`];
}

/** The reply to an attempt that ended with `reason`; `transport` says why its transport failed. */
export function resetReply(reason: UpstreamResetReason, transport: string): LocalReplyParts {
  const reply = errorReply(RESET_ERRORS[reason]);
  if (transport === "" || reason !== "connectFailure") return reply;
  // As in Envoy the details hold no blanks.
  const why = transport.replaceAll(" ", "_");
  return { ...reply, details: reply.details.replace(/\}$/, `|${why}}`) };
}
