/**
 * The thread's roles as shadows get them: what a shadow does to the world outside its streams
 * reaches nothing. Callouts are answered 503 (gRPC: 14) without being sent, look-ups of names fail,
 * shared data and queues are its own, its metrics and log lines say that they are a shadow's.
 */
import { HeaderMap } from "../http/header-map.ts";
import { pluginStatName } from "./plugin-use.ts";
import type {
  CalloutHost,
  LogHost,
  MetricHost,
  SharedStateHost,
  ThreadRoles,
  TimerHost,
  VmEventHost,
} from "./roles.ts";

const NOTHING = new Uint8Array(0);
const UNAVAILABLE = 14;
const REASON = "not sent by a shadow";

function silentCallouts(
  timers: TimerHost,
  callouts: CalloutHost,
  calledOut: () => void,
): CalloutHost {
  return {
    hasCluster: (name) => callouts.hasCluster(name),
    httpCall: (_request, events) => {
      calledOut();
      const headers = HeaderMap.of([[":status", "503"]]);
      const reply = { headers, body: NOTHING, trailers: null };
      return { cancel: timers.after(0, () => events.onHttpReply(reply)) };
    },
    grpcCall: (_request, events) => {
      calledOut();
      const cancel = timers.after(0, () => events.onGrpcClose(UNAVAILABLE, REASON));
      return { cancel, send: () => true, closeLocal: () => undefined };
    },
    refused: () => callouts.refused(),
  };
}

function prefixedMetrics(metrics: MetricHost): MetricHost {
  return {
    define: (kind, name) => metrics.define(kind, `shadow.${name}`),
    retain: (handle) => metrics.retain(handle),
    release: (handle) => metrics.release(handle),
    add: (handle, offset) => metrics.add(handle, offset),
    set: (handle, value) => metrics.set(handle, value),
    observe: (handle, value) => metrics.observe(handle, value),
    read: (handle) => metrics.read(handle),
    refused: () => metrics.refused(),
  };
}

function markedLog(log: LogHost): LogHost {
  return {
    log: (level, message) => log.log(level, `shadow: ${message}`),
    level: () => log.level(),
  };
}

/** Failures count for `<plugin>.shadow`. */
function ownEvents(events: VmEventHost): VmEventHost {
  const own = (plugin: string): string => pluginStatName(plugin, "shadow");
  return {
    created: () => events.created(),
    ended: () => events.ended(),
    failed: (plugin, kind) => events.failed(own(plugin), kind),
    reloaded: (plugin, outcome) => events.reloaded(own(plugin), outcome),
    cutOff: (plugin) => events.cutOff(own(plugin)),
    keptOut: (plugin) => events.keptOut(own(plugin)),
    suspended: (plugin) => events.suspended(own(plugin)),
    suspendedTooLong: (plugin) => events.suspendedTooLong(own(plugin)),
    waitRefused: (plugin) => events.waitRefused(own(plugin)),
    waitedTooLong: (plugin) => events.waitedTooLong(own(plugin)),
    pooled: (event) => events.pooled(event),
    memoryRefused: (plugin) => events.memoryRefused(own(plugin)),
    lineDropped: (plugin) => events.lineDropped(own(plugin)),
  };
}

/**
 * @param shared where shadows share data and queues among themselves
 * @param calledOut told of each callout and look-up
 */
export function shadowRoles(
  roles: ThreadRoles,
  shared: SharedStateHost,
  calledOut: () => void,
): ThreadRoles {
  return {
    ...roles,
    shared,
    callouts: silentCallouts(roles.timers, roles.callouts, calledOut),
    dns: {
      resolve: (_name, done) => {
        calledOut();
        roles.timers.after(0, () => done({ addresses: null, ttlS: 0 }));
      },
    },
    metrics: prefixedMetrics(roles.metrics),
    log: markedLog(roles.log),
    vmEvents: ownEvents(roles.vmEvents),
  };
}
