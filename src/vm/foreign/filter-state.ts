/**
 * `declare_property` and `set_envoy_filter_state`: what `proxy_set_property` stores, and filter
 * state under the names that the host itself knows. Source: ABI 3.14.
 */
import { STATUS } from "../../abi/enums.ts";
import { WireMessage } from "../../abi/protobuf-wire.ts";
import { LIMITS } from "../../base/limits.ts";
import { STATE_SPAN, STATE_TYPE } from "../declared-properties.ts";
import type { HostcallEnv } from "../hostcalls/env.ts";
import { messageTypeOfUrl } from "../message-types.ts";
import { splitPath } from "../property-codec.ts";
import type { ForeignFamily } from "./types.ts";

/** The cluster of a TCP connection, instead of the one that is configured. */
export const TCP_CLUSTER_STATE = "envoy.tcp_proxy.cluster";
/** Names that guests may set as the host's own state: those that the host reads. */
const HOST_STATES: ReadonlySet<string> = new Set(["envoy.string"]);
const CONNECTION_STATES: ReadonlySet<string> = new Set([...HOST_STATES, TCP_CLUSTER_STATE]);

/** Unknown numbers count as the first, as in Envoy. */
function spanOf(value: bigint): number {
  return value <= BigInt(STATE_SPAN.connection) ? Number(value) : STATE_SPAN.filterChain;
}

function typeOf(value: bigint): number {
  return value <= BigInt(STATE_TYPE.protobuf) ? Number(value) : STATE_TYPE.bytes;
}

/** DeclarePropertyArguments: 1 name, 2 readonly, 3 type, 4 schema, 5 span. */
function declareProperty(env: HostcallEnv, args: Uint8Array): number {
  const message = WireMessage.read(args);
  const name = message === null ? null : message.text(1);
  const context = env.call.context;
  const schema = message === null ? null : message.text(4);
  if (message === null || name === null || schema === null || context === null) {
    return STATUS.badArgument;
  }
  const type = typeOf(message.uint(3));
  const path = splitPath(Buffer.from(message.bytes(1)).toString("latin1")).join("\0");
  const declaration = {
    readOnly: message.bool(2),
    type,
    span: spanOf(message.uint(5)),
    message: type === STATE_TYPE.protobuf ? messageTypeOfUrl(schema) : null,
  };
  const isNew = env.declared.declare(context, path, declaration);
  return isNew ? STATUS.ok : STATUS.badArgument;
}

/** SetEnvoyFilterStateArguments: 1 path, 2 value, 3 span. */
function setFilterState(env: HostcallEnv, args: Uint8Array): number {
  const message = args.byteLength > LIMITS.foreignDataBytes ? null : WireMessage.read(args);
  const path = message === null ? null : message.text(1);
  if (message === null || path === null || message.text(2) === null) return STATUS.badArgument;
  const stream = env.call.stream;
  const known = stream?.isNetwork === true ? CONNECTION_STATES : HOST_STATES;
  if (!known.has(path) || stream === null) return STATUS.notFound;
  const span = spanOf(message.uint(3));
  const declaration = { readOnly: false, type: STATE_TYPE.string, span, message: null };
  const isStored = stream.roles.properties.setState(path, message.bytes(2), declaration);
  return isStored ? STATUS.ok : STATUS.badArgument;
}

export const filterStateFunctions: ForeignFamily = (env) => ({
  declare_property: (args) => declareProperty(env, args),
  set_envoy_filter_state: (args) => setFilterState(env, args),
});
