/** proxy_http_call and proxy_get_status. ABI 3.10, 3.11. */
import { STATUS } from "../../abi/enums.ts";
import type { GroupHostcalls } from "../../abi/hostcall-types.ts";
import { decodePairs } from "../../abi/pairs.ts";
import { HeaderMap } from "../../http/header-map.ts";
import type { HostcallEnv } from "./env.ts";
import {
  isHeaderName,
  isHeaderValue,
  isPseudoName,
  isSingular,
  lowerCaseName,
} from "./header-names.ts";

/** Fields that belong to one connection, or that the host sets itself. */
const WITHHELD: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
  "content-length",
]);
const REQUIRED = [":method", ":path", ":authority"] as const;

/**
 * The request's headers; malformed entries are left out. `binary`: whether the value of a name that
 * ends with "-bin" may be any bytes, as in metadata of gRPC.
 */
export function calloutHeaders(
  env: HostcallEnv,
  hostcall: string,
  block: Uint8Array,
  binary: "allowed" | "refused" = "refused",
): HeaderMap {
  const headers = new HeaderMap();
  const decoded = decodePairs(block);
  if (!decoded.ok) {
    env.log.warn(`${hostcall}: headers ignored, malformed (${decoded.problem})`);
    return headers;
  }
  for (const [key, value] of decoded.pairs) {
    const lower = lowerCaseName(key);
    const name = lower === "host" ? ":authority" : lower;
    if (WITHHELD.has(name) || (name === "te" && value !== "trailers")) continue;
    const isAnyBytes = binary === "allowed" && name.endsWith("-bin");
    if (!isHeaderName(name) || !(isAnyBytes || isHeaderValue(value))) {
      env.log.warn(`header ${JSON.stringify(name)} dropped: its name or value is malformed`);
    } else if (isSingular(name)) headers.set(name, value);
    else headers.add(name, value);
  }
  return headers;
}

/** Trailers; null when there are none. Pseudo-headers have no place in them. */
function calloutTrailers(env: HostcallEnv, block: Uint8Array): HeaderMap | null {
  const all = calloutHeaders(env, "proxy_http_call", block);
  for (let i = all.count - 1; i >= 0; i--) if (isPseudoName(all.nameAt(i))) all.removeAt(i);
  return all.count === 0 ? null : all;
}

/** Whether `text` can be the method, target or host of a request line: no blank, no control. */
function isOneWord(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 || code === 0x7f) return false;
  }
  return text.length > 0;
}

function hasRequestLine(headers: HeaderMap): boolean {
  return REQUIRED.every((name) => isOneWord(headers.get(name) ?? ""));
}

export function calloutHostcalls(env: HostcallEnv): GroupHostcalls<"callout"> {
  const { memory, call, roles, callouts, results } = env;
  return {
    proxy_http_call: (
      upstreamPtr,
      upstreamLen,
      headersPtr,
      headersLen,
      bodyPtr,
      bodyLen,
      trailersPtr,
      trailersLen,
      timeoutMs,
      idPtr,
    ) => {
      const cluster = memory.readLatin1(upstreamPtr, upstreamLen);
      const block = memory.view(headersPtr, headersLen);
      const trailerBlock = memory.view(trailersPtr, trailersLen);
      if (cluster === null || block === null || trailerBlock === null) {
        return STATUS.invalidMemoryAccess;
      }
      const body = memory.readBytes(bodyPtr, bodyLen);
      if (body === null || !memory.writeU32(idPtr, 0)) return STATUS.invalidMemoryAccess;
      const { root } = call;
      if (root === null || !roles.callouts.hasCluster(cluster) || timeoutMs < 0) {
        return STATUS.badArgument;
      }
      const headers = calloutHeaders(env, "proxy_http_call", block);
      if (!hasRequestLine(headers)) return STATUS.badArgument;
      if (body.byteLength > 0) headers.append("content-length", String(body.byteLength));
      const trailers = calloutTrailers(env, trailerBlock);
      const id = callouts.startHttp(root, { cluster, headers, body, trailers, timeoutMs });
      if (id === 0) return STATUS.internalFailure;
      memory.writeU32(idPtr, id);
      return STATUS.ok;
    },
    proxy_get_status: (codePtr, messagePtrPtr, messageLenPtr) => {
      if (!memory.isRange(codePtr, 4)) return STATUS.invalidMemoryAccess;
      const { root } = call;
      const status = results.text(root?.statusMessage ?? "", messagePtrPtr, messageLenPtr);
      if (status !== STATUS.ok) return status;
      // The allocation may have grown the memory, but never shrinks it.
      memory.writeU32(codePtr, root?.statusCode ?? 0);
      return STATUS.ok;
    },
  };
}
