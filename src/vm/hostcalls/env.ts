/** What hostcall bodies know of the VM they belong to. */
import type { LinearMemory } from "../../abi/linear-memory.ts";
import type { AbiVersion } from "../../abi/versions.ts";
import type { VmConfig } from "../../config/types.ts";
import type { BodyWindows } from "../body-windows.ts";
import type { CalloutTable } from "../callouts.ts";
import type { ContextTable } from "../contexts.ts";
import type { Coroutines } from "../coroutines/coroutines.ts";
import type { CurrentCall } from "../current-call.ts";
import type { DeclaredProperties } from "../declared-properties.ts";
import type { DeferredActions } from "../deferred-actions.ts";
import type { DnsQueries } from "../dns-queries.ts";
import type { GuestLog } from "../guest-log.ts";
import type { GuestResults } from "../guest-results.ts";
import type { ThreadRoles } from "../roles.ts";

export interface HostcallEnv {
  readonly memory: LinearMemory;
  readonly call: CurrentCall;
  readonly contexts: ContextTable;
  readonly actions: DeferredActions;
  readonly callouts: CalloutTable;
  /** Null: the plugin has no coroutines. */
  readonly coroutines: Coroutines | null;
  readonly results: GuestResults;
  readonly windows: BodyWindows;
  readonly declared: DeclaredProperties;
  readonly dns: DnsQueries;
  readonly log: GuestLog;
  readonly roles: ThreadRoles;
  readonly config: VmConfig;
  readonly version: AbiVersion;
}
