/**
 * The import functions of `env` for one VM: a body for every row of the hostcall table whose group
 * is implemented, and a stub that says so for every other and for what the capability restriction
 * takes.
 */
import { STATUS, WASI_NOT_CAPABLE } from "../../abi/enums.ts";
import { HOSTCALL_NAMES, HOSTCALLS, type HostcallName } from "../../abi/hostcall-table.ts";
import type { GroupHostcalls, HostcallGroup } from "../../abi/hostcall-types.ts";
import type { HostFunction, HostFunctions } from "../../abi/imports.ts";
import type { GuestLog } from "../guest-log.ts";
import { bufferHostcalls } from "./buffers.ts";
import { calloutHostcalls } from "./callouts.ts";
import { configHostcalls } from "./config.ts";
import { contextHostcalls } from "./context.ts";
import { counted, type HostcallBody } from "./counted.ts";
import { dnsHostcalls } from "./dns.ts";
import type { HostcallEnv } from "./env.ts";
import { foreignHostcalls } from "./foreign.ts";
import { grpcHostcalls } from "./grpc.ts";
import { headerHostcalls } from "./headers.ts";
import { localReplyHostcalls } from "./local-reply.ts";
import { logHostcalls } from "./log.ts";
import { metricHostcalls } from "./metrics.ts";
import { propertyHostcalls } from "./properties.ts";
import { sharedDataHostcalls } from "./shared-data.ts";
import { sharedQueueHostcalls } from "./shared-queues.ts";
import { streamHostcalls } from "./stream.ts";
import { timeHostcalls } from "./time.ts";

type Bodies = { readonly [G in HostcallGroup]?: (env: HostcallEnv) => GroupHostcalls<G> };

const BODIES = {
  log: logHostcalls,
  time: timeHostcalls,
  config: configHostcalls,
  properties: propertyHostcalls,
  headers: headerHostcalls,
  buffers: bufferHostcalls,
  stream: streamHostcalls,
  localReply: localReplyHostcalls,
  metrics: metricHostcalls,
  context: contextHostcalls,
  foreign: foreignHostcalls,
  dns: dnsHostcalls,
  callout: calloutHostcalls,
  grpc: grpcHostcalls,
  sharedData: sharedDataHostcalls,
  sharedQueue: sharedQueueHostcalls,
} as const satisfies Bodies;

/** Hostcalls that do something; the others link and answer Unimplemented. */
export const IMPLEMENTED_HOSTCALLS: readonly HostcallName[] = HOSTCALL_NAMES.filter((name) =>
  Object.hasOwn(BODIES, HOSTCALLS[name].group),
);

/** Every function of the hostcall table, for one VM. `allowed` null = no restriction. */
export function createHostcalls(
  env: HostcallEnv,
  allowed: ReadonlySet<string> | null,
): HostFunctions {
  const bodies: HostFunctions = Object.assign(
    {},
    ...Object.values(BODIES).map((create) => create(env)),
  );
  const functions: Record<string, HostFunction> = {};
  for (const name of HOSTCALL_NAMES) {
    functions[name] = () => {
      env.log.errorOnce(`${name} is not implemented`);
      return STATUS.unimplemented;
    };
  }
  const all = { ...functions, ...bodies };
  for (const [index, name] of HOSTCALL_NAMES.entries()) {
    all[name] = counted(env.call, index, all[name] as HostcallBody);
  }
  return restrict(all, allowed, () => STATUS.internalFailure, env.log);
}

/** WASI functions under the same restriction. proc_exit has no result and then does nothing. */
export function restrictWasi(
  functions: HostFunctions,
  allowed: ReadonlySet<string> | null,
  log: GuestLog,
): HostFunctions {
  return restrict(functions, allowed, () => WASI_NOT_CAPABLE, log);
}

function restrict(
  functions: HostFunctions,
  allowed: ReadonlySet<string> | null,
  answer: () => number,
  log: GuestLog,
): HostFunctions {
  if (allowed === null) return functions;
  const restricted: Record<string, HostFunction> = {};
  for (const [name, body] of Object.entries(functions)) {
    restricted[name] = allowed.has(name)
      ? body
      : () => {
          log.errorOnce(`${name} is restricted by capability_restriction_config`);
          return answer();
        };
  }
  return restricted;
}
