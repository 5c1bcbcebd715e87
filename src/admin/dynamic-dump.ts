/**
 * The part of `/config_dump` for resources that come from files of their own, in Envoy's shapes:
 * version, when it was taken, and why a newer one was refused.
 */
import type { Json, JsonObject } from "./json.ts";
import type { AdminSource, XdsReport } from "./types.ts";

interface DynamicList {
  readonly kind: XdsReport["kind"];
  readonly field: string;
  entry(report: XdsReport, resource: Json): JsonObject;
}

/** Lists whose entries differ in the name of the resource alone. */
function listOf(kind: XdsReport["kind"], field: string, resourceField: string): DynamicList {
  const entry = (report: XdsReport, resource: Json): JsonObject => ({
    version_info: report.version,
    [resourceField]: resource,
    last_updated: timeOf(report),
    ...errorOf(report),
    client_status: report.failure === null ? "ACKED" : "NACKED",
  });
  return { kind, field, entry };
}

const LISTS: Readonly<Record<string, DynamicList>> = {
  ListenersConfigDump: {
    kind: "lds",
    field: "dynamic_listeners",
    entry: (report, listener) => ({
      name: report.name,
      active_state: { version_info: report.version, listener, last_updated: timeOf(report) },
      ...errorOf(report),
      client_status: report.failure === null ? "ACKED" : "NACKED",
    }),
  },
  ClustersConfigDump: listOf("cds", "dynamic_active_clusters", "cluster"),
  RoutesConfigDump: listOf("rds", "dynamic_route_configs", "route_config"),
  EndpointsConfigDump: listOf("eds", "dynamic_endpoint_configs", "endpoint_config"),
  EcdsConfigDump: listOf("ecds", "ecds_filters", "ecds_filter"),
};

/** The dynamic list of one dump; nothing when it is empty. `redact` hides private keys. */
export function dynamicEntries(
  dump: string,
  source: AdminSource,
  options: { readonly filter: { matches(name: string): boolean }; redact(value: Json): Json },
): JsonObject {
  const list = LISTS[dump];
  if (list === undefined) return {};
  const entries = source
    .xds()
    .filter(({ kind, name }) => kind === list.kind && options.filter.matches(name))
    .map((report) => list.entry(report, options.redact(JSON.parse(report.json) as Json)));
  return entries.length === 0 ? {} : { [list.field]: entries };
}

function timeOf({ updatedWallMs }: XdsReport): string {
  return new Date(updatedWallMs).toISOString();
}

/** Envoy's UpdateFailureState. */
function errorOf({ failure }: XdsReport): JsonObject {
  if (failure === null) return {};
  const last = new Date(failure.wallMs).toISOString();
  return { error_state: { last_update_attempt: last, details: failure.details } };
}
