/**
 * The test run before a configuration is accepted: every plugin is started once, with roles that
 * reach nothing, and thrown away (ABI 5.2 step 2). Its timers never fire, its metrics count
 * nowhere.
 */

import { GUEST_LOG_LEVEL } from "../abi/enums.ts";
import { systemClock } from "../base/clock.ts";
import type { GranaryConfig } from "../config/types.ts";
import { PrivateSharedState } from "../shm/shared-state.ts";
import { createPluginHost } from "./plugin-host.ts";
import type { PropertyHost, ThreadRoles } from "./roles.ts";
import type { PluginModules } from "./types.ts";

/** Lines that say why a guest refused its configuration; more of them say no more. */
const GUEST_LINES_MAX = 10;

/** What plugins may share in a test run that nobody else sees. */
const CANARY_SHARED_BYTES = 16_777_216;

function canaryRoles(config: GranaryConfig, lines: string[]): ThreadRoles {
  let metricsDefined = 0;
  const rootProperties: PropertyHost = {
    property: (path) =>
      path.length === 1 && path[0] === "node" ? config.node.property : undefined,
  };
  return {
    metrics: {
      define: () => metricsDefined++,
      retain: () => undefined,
      release: () => undefined,
      add: () => undefined,
      set: () => undefined,
      observe: () => undefined,
      read: () => 0n,
      refused: () => undefined,
    },
    log: {
      log: (_level, message) => {
        if (lines.length < GUEST_LINES_MAX) lines.push(message);
      },
      level: () => GUEST_LOG_LEVEL.warn,
    },
    callouts: {
      hasCluster: (name) => config.clusters.some((cluster) => cluster.name === name),
      // Started, as far as the guest can tell; it is gone before any answer could come.
      httpCall: () => ({ cancel: () => undefined }),
      grpcCall: () => ({
        cancel: () => undefined,
        send: () => true,
        closeLocal: () => undefined,
      }),
      refused: () => undefined,
    },
    timers: {
      after: () => () => undefined,
      wallNs: () => systemClock.wallNs(),
      monotonicNs: () => systemClock.monotonicNs(),
    },
    shared: new PrivateSharedState(systemClock, CANARY_SHARED_BYTES),
    vmEvents: {
      created: () => undefined,
      ended: () => undefined,
      failed: () => undefined,
      reloaded: () => undefined,
      cutOff: () => undefined,
      keptOut: () => undefined,
      suspended: () => undefined,
      suspendedTooLong: () => undefined,
      waitRefused: () => undefined,
      waitedTooLong: () => undefined,
      pooled: () => undefined,
      memoryRefused: () => undefined,
      lineDropped: () => undefined,
    },
    // The guest is gone before an answer could come.
    dns: { resolve: () => undefined },
    rootProperties,
  };
}

/**
 * Starts every plugin of `config` once and drops it.
 * @param modules compiled code by code key.
 * @returns one line per plugin that does not start, and then what guests warned about meanwhile;
 *   empty when all start. Thread: any, a worker by preference: guest code runs here.
 */
export function canaryPlugins(config: GranaryConfig, modules: PluginModules): readonly string[] {
  const lines: string[] = [];
  const problems = createPluginHost({
    config,
    modules,
    roles: canaryRoles(config, lines),
    singletons: "here",
  }).start();
  return problems.length === 0 ? [] : [...problems, ...lines];
}
