/** gRPC callouts. ABI 3.11. */
import { STATUS } from "../../abi/enums.ts";
import { decodeGrpcService } from "../../abi/grpc-service.ts";
import type { GroupHostcalls } from "../../abi/hostcall-types.ts";
import { HeaderMap } from "../../http/header-map.ts";
import { CALLOUT_KIND, calloutKind, type GrpcCallout } from "../callout-kinds.ts";
import type { GrpcRequest } from "../roles.ts";
import { calloutHeaders } from "./callouts.ts";
import type { HostcallEnv } from "./env.ts";

/** (pointer, length). */
type Slice = readonly [ptr: number, len: number];

/** Characters of a service's or method's name: they become part of a path. */
function isPathPart(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 || code >= 0x7f || code === 0x3f || code === 0x23) return false;
  }
  return text.length > 0;
}

/**
 * Where a call goes: the name of a cluster, else a GrpcService message that names one.
 * @returns a status when neither is the case
 */
function targetOf(
  env: HostcallEnv,
  name: string,
  upstream: Uint8Array,
): { cluster: string; authority: string; metadata: HeaderMap } | number {
  const { callouts } = env.roles;
  const metadata = new HeaderMap();
  if (callouts.hasCluster(name)) return { cluster: name, authority: "", metadata };
  const service = decodeGrpcService(upstream);
  if (service === null) return STATUS.parseFailure;
  if (!callouts.hasCluster(service.cluster)) return STATUS.internalFailure;
  for (const [key, value] of service.metadata) metadata.append(key.toLowerCase(), value);
  return { cluster: service.cluster, authority: service.authority, metadata };
}

/** The request, or the status that refuses it. */
function requestOf(
  env: HostcallEnv,
  slices: readonly [upstream: Slice, service: Slice, method: Slice, metadata: Slice],
  { kind, timeoutMs }: Pick<GrpcRequest, "kind" | "timeoutMs">,
  idPtr: number,
): GrpcRequest | number {
  const { memory } = env;
  const [upstreamAt, serviceAt, methodAt, metadataAt] = slices;
  const name = memory.readLatin1(...upstreamAt);
  const upstream = memory.view(...upstreamAt);
  const service = memory.readLatin1(...serviceAt);
  const method = memory.readLatin1(...methodAt);
  const block = memory.view(...metadataAt);
  if (name === null || upstream === null || service === null || method === null || block === null) {
    return STATUS.invalidMemoryAccess;
  }
  if (!memory.isRange(idPtr, 4)) return STATUS.invalidMemoryAccess;
  const target = targetOf(env, name, upstream);
  if (typeof target === "number") return target;
  if (timeoutMs < 0 || !isPathPart(service) || !isPathPart(method)) return STATUS.badArgument;
  const own = calloutHeaders(env, "metadata", block, "allowed");
  const { metadata } = target;
  for (let i = 0; i < own.count; i++) metadata.append(own.nameAt(i), own.valueAt(i));
  return { kind, ...target, service, method, metadata, timeoutMs };
}

function starters(env: HostcallEnv) {
  const { memory, call, callouts } = env;
  return {
    proxy_grpc_call: (
      upstreamPtr,
      upstreamLen,
      servicePtr,
      serviceLen,
      methodPtr,
      methodLen,
      metadataPtr,
      metadataLen,
      messagePtr,
      messageLen,
      timeoutMs,
      idPtr,
    ) => {
      const message = memory.readBytes(messagePtr, messageLen);
      if (message === null) return STATUS.invalidMemoryAccess;
      const request = requestOf(
        env,
        [
          [upstreamPtr, upstreamLen],
          [servicePtr, serviceLen],
          [methodPtr, methodLen],
          [metadataPtr, metadataLen],
        ],
        { kind: "unary", timeoutMs },
        idPtr,
      );
      if (typeof request === "number") return request;
      const { root } = call;
      if (root === null) return STATUS.badArgument;
      const id = callouts.startGrpcCall(root, request, message);
      if (id === 0) return STATUS.internalFailure;
      memory.writeU32(idPtr, id);
      return STATUS.ok;
    },
    proxy_grpc_stream: (
      upstreamPtr,
      upstreamLen,
      servicePtr,
      serviceLen,
      methodPtr,
      methodLen,
      metadataPtr,
      metadataLen,
      idPtr,
    ) => {
      const request = requestOf(
        env,
        [
          [upstreamPtr, upstreamLen],
          [servicePtr, serviceLen],
          [methodPtr, methodLen],
          [metadataPtr, metadataLen],
        ],
        { kind: "stream", timeoutMs: 0 },
        idPtr,
      );
      if (typeof request === "number") return request;
      const { root } = call;
      if (root === null) return STATUS.badArgument;
      const id = callouts.startGrpcStream(root, request);
      if (id === 0) return STATUS.internalFailure;
      memory.writeU32(idPtr, id);
      return STATUS.ok;
    },
  } satisfies Partial<GroupHostcalls<"grpc">>;
}

/** The callout that `id` stands for, or the status that says what it is not. */
function calloutOf(env: HostcallEnv, id: number): GrpcCallout | number {
  if (calloutKind(id) !== CALLOUT_KIND.grpcCall && calloutKind(id) !== CALLOUT_KIND.grpcStream) {
    return STATUS.badArgument;
  }
  return env.callouts.grpc(env.call.root, id) ?? STATUS.notFound;
}

export function grpcHostcalls(env: HostcallEnv): GroupHostcalls<"grpc"> {
  const { memory, callouts } = env;
  return {
    ...starters(env),
    proxy_grpc_send: (idSigned, messagePtr, messageLen, endStream) => {
      const message = memory.readBytes(messagePtr, messageLen);
      if (message === null) return STATUS.invalidMemoryAccess;
      const id = idSigned >>> 0;
      if (calloutKind(id) !== CALLOUT_KIND.grpcStream) return STATUS.badArgument;
      const stream = callouts.grpc(env.call.root, id);
      if (stream === null) return STATUS.notFound;
      // Behind the guest's own end it goes nowhere, and the guest is not told, as in Envoy.
      stream.grpc?.send(message, endStream !== 0);
      return STATUS.ok;
    },
    proxy_grpc_cancel: (idSigned) => {
      const callout = calloutOf(env, idSigned >>> 0);
      if (typeof callout === "number") return callout;
      callouts.cancel(callout);
      return STATUS.ok;
    },
    proxy_grpc_close: (idSigned) => {
      const id = idSigned >>> 0;
      const callout = calloutOf(env, id);
      if (typeof callout === "number") return callout;
      if (calloutKind(id) === CALLOUT_KIND.grpcCall) callouts.cancel(callout);
      else callout.grpc?.closeLocal();
      return STATUS.ok;
    },
  };
}
