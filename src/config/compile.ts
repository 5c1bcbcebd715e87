/** Third pass: the whole bootstrap message to the structures of `types.ts`. */
import type { Bootstrap } from "../gen/envoy/config/bootstrap/v3/bootstrap_pb.ts";
import { type Node, NodeSchema } from "../gen/envoy/config/core/v3/base_pb.ts";
import { accessLogOfPath, compileAccessLogs } from "./compile-access-log.ts";
import { compileClusters } from "./compile-cluster.ts";
import { ISOLATION_KEY, NO_ISOLATION, readIsolation } from "./compile-isolation.ts";
import { compileAddress, compileListeners } from "./compile-listener.ts";
import { propertyMessage } from "./compile-property.ts";
import { compileServices } from "./compile-services.ts";
import { compileStatTags } from "./compile-stats.ts";
import type { IsolationLayer } from "./isolation-types.ts";
import type { CompileContext } from "./place.ts";
import { Place } from "./place.ts";
import { create } from "./protobuf.ts";
import type { AdminConfig, GranaryConfig } from "./types.ts";

/** Always gives a result; what is wrong goes to `context.problems`. */
export function compileBootstrap(
  bootstrap: Bootstrap,
  bootstrapJson: string,
  context: Omit<CompileContext, "clusterNames" | "isolation" | "modules">,
): GranaryConfig {
  const resources = bootstrap.staticResources;
  const modules = new Map();
  const clusterNames = new Set(resources?.clusters.map((cluster) => cluster.name));
  const node = bootstrap.node ?? create(NodeSchema);
  const base: CompileContext = { ...context, modules, clusterNames, isolation: NO_ISOLATION };
  const isolation = nodeIsolation(node, new Place(base, "").child("node"));
  const root = new Place({ ...base, isolation }, "");
  const at = root.child("static_resources");
  const clusters = compileClusters(resources?.clusters ?? [], at.child("clusters"));
  const listeners = compileListeners(resources?.listeners ?? [], at.child("listeners"));
  const services = compileServices(bootstrap, root);
  return {
    node: { id: node.id, cluster: node.cluster, property: propertyMessage(node) },
    admin: compileAdmin(bootstrap, root.child("admin")),
    listeners,
    clusters,
    ...services,
    statTags: compileStatTags(bootstrap.statsConfig, root.child("stats_config")),
    modules: [...modules.values()],
    bootstrapJson,
  };
}

/** Limits of all plugins. */
function nodeIsolation({ metadata }: Node, place: Place): IsolationLayer {
  return readIsolation(metadata?.[ISOLATION_KEY], place.child("metadata").key(ISOLATION_KEY));
}

/** Null without `admin.address`: nothing listens then (as in Envoy). */
function compileAdmin({ admin }: Bootstrap, place: Place): AdminConfig | null {
  if (admin === undefined) return null;
  const accessLogs = compileAccessLogs(admin.accessLog, place.child("access_log"));
  if (admin.accessLogPath !== "") accessLogs.push(accessLogOfPath(admin.accessLogPath));
  if (admin.address === undefined) return null;
  const address = compileAddress(admin.address, place.child("address"));
  return address === null ? null : { address, accessLogs };
}
