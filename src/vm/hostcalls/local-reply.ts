/** proxy_send_local_response: queued, and the running callback of that stream stops it. ABI 3.7. */
import { STATUS } from "../../abi/enums.ts";
import type { GroupHostcalls } from "../../abi/hostcall-types.ts";
import { decodePairs } from "../../abi/pairs.ts";
import { DIRECTION } from "../current-call.ts";
import type { HostcallEnv } from "./env.ts";
import { isHeaderName, isHeaderValue, isPseudoName, lowerCaseName } from "./header-names.ts";

const GRPC_STATUS_MAX = 16;
const STATUS_MIN = 200;
const STATUS_MAX = 599;
/** Stands in for a status that no client could read. */
const STATUS_FALLBACK = 500;

/** Headers for the reply: pseudo-headers and malformed entries are left out. */
function replyHeaders(env: HostcallEnv, block: Uint8Array): [string, string][] {
  const decoded = decodePairs(block);
  if (!decoded.ok) {
    env.log.warn(`proxy_send_local_response: headers ignored, malformed (${decoded.problem})`);
    return [];
  }
  const headers: [string, string][] = [];
  for (const [key, value] of decoded.pairs) {
    const name = lowerCaseName(key);
    if (isPseudoName(name)) continue;
    if (isHeaderName(name) && isHeaderValue(value)) headers.push([name, value]);
    else env.log.warn(`header ${JSON.stringify(name)} dropped: its name or value is malformed`);
  }
  return headers;
}

/** Details as one word of an access log: spaces and control characters become "_". */
function oneWord(details: string): string {
  let word = "";
  for (let i = 0; i < details.length; i++) {
    const code = details.charCodeAt(i);
    word += code <= 0x20 || code === 0x7f ? "_" : details.charAt(i);
  }
  return word;
}

export function localReplyHostcalls(env: HostcallEnv): GroupHostcalls<"localReply"> {
  const { memory, call, actions } = env;
  return {
    proxy_send_local_response: (
      statusSigned,
      detailsPtr,
      detailsLen,
      bodyPtr,
      bodyLen,
      headersPtr,
      headersLen,
      grpcSigned,
    ) => {
      const details = memory.readLatin1(detailsPtr, detailsLen);
      const body = memory.readBytes(bodyPtr, bodyLen);
      const block = memory.view(headersPtr, headersLen);
      if (details === null || body === null || block === null) return STATUS.invalidMemoryAccess;
      const stream = call.stream;
      // A second reply, and one for a connection or a stream that has ended, have no effect; only
      // the response callbacks of the first one may put another in its place.
      if (stream?.isOpen !== true || stream.isNetwork) return STATUS.ok;
      if (stream.replied) {
        if (call.direction !== DIRECTION.response || stream.repliedAgain) return STATUS.ok;
        stream.repliedAgain = true;
      }
      const status = statusSigned >>> 0;
      const grpcStatus = grpcSigned | 0;
      stream.replied = true;
      if (stream === call.context) call.stopped = true;
      const reply = {
        status: status >= STATUS_MIN && status <= STATUS_MAX ? status : STATUS_FALLBACK,
        details: oneWord(details),
        body,
        headers: replyHeaders(env, block),
        grpcStatus: grpcStatus >= 0 && grpcStatus <= GRPC_STATUS_MAX ? grpcStatus : -1,
      };
      actions.push({ kind: "localReply", stream, reply });
      return STATUS.ok;
    },
  };
}
