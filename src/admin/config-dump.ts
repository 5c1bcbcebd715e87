/**
 * `/config_dump`: the running configuration as Envoy's ConfigDump, private keys redacted.
 * Source: Envoy, config_dump_handler.cc, admin/v3/config_dump.proto.
 */
import { dynamicEntries } from "./dynamic-dump.ts";
import { nameFilter } from "./filter.ts";
import type { Json, JsonObject } from "./json.ts";
import {
  type AdminHandler,
  type AdminResponse,
  type AdminSource,
  json,
  text,
  typed,
} from "./types.ts";

const ADMIN_TYPES = "type.googleapis.com/envoy.admin.v3.";
const REDACTED = "[redacted]";
const REDACTED_BYTES = Buffer.from(REDACTED).toString("base64");
/** Fields that Envoy's protos mark as sensitive. */
const SENSITIVE: ReadonlySet<string> = new Set([
  "private_key",
  "private_key_provider",
  "password",
  "pkcs12",
  "session_ticket_keys",
  "generic_secret",
]);

/** Where static resources stand: the list, its dump and entry, the wrapped field and its type. */
const LISTS = {
  static_clusters: {
    dump: "ClustersConfigDump",
    entry: "ClustersConfigDump.StaticCluster",
    field: "cluster",
    type: "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    from: (bootstrap: JsonObject) => resources(bootstrap, "clusters"),
  },
  static_listeners: {
    dump: "ListenersConfigDump",
    entry: "ListenersConfigDump.StaticListener",
    field: "listener",
    type: "type.googleapis.com/envoy.config.listener.v3.Listener",
    from: (bootstrap: JsonObject) => resources(bootstrap, "listeners"),
  },
  static_route_configs: {
    dump: "RoutesConfigDump",
    entry: "RoutesConfigDump.StaticRouteConfig",
    field: "route_config",
    type: "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
    from: routeConfigs,
  },
} as const;
type ListName = keyof typeof LISTS;

export const configDump: AdminHandler = ({ query }, source) => {
  const regex = query.get("name_regex");
  const filter = nameFilter(regex, "whole");
  if (filter.kind === "error") {
    const reason = `Error while parsing name_regex from ${regex}: ${filter.reason}`;
    return plain(400, `INVALID_ARGUMENT: ${reason}`);
  }
  const parsed: Json = JSON.parse(source.config().bootstrapJson);
  const bootstrap = asObject(redact(parsed));
  const loaded = new Date(source.configLoadedWallMs()).toISOString();
  const lists = (Object.keys(LISTS) as ListName[]).map(
    (name) =>
      [name, entriesOf(name, bootstrap, loaded).filter(([key]) => filter.matches(key))] as const,
  );
  const mask = query.get("mask");
  const resource = query.get("resource");
  if (resource !== null) return oneResource(resource, lists, mask);
  const dynamic = (dump: string): JsonObject => dynamicEntries(dump, source, { filter, redact });
  const configs: JsonObject[] = [
    {
      "@type": `${ADMIN_TYPES}BootstrapConfigDump`,
      bootstrap,
      last_updated: loaded,
      ...errorState(source),
    },
    ...lists.map(([name, entries]) => ({
      "@type": ADMIN_TYPES + LISTS[name].dump,
      ...(entries.length === 0 ? {} : { [name]: entries.map(([, entry]) => entry) }),
      ...dynamic(LISTS[name].dump),
    })),
    ...["EndpointsConfigDump", "EcdsConfigDump"]
      .map((dump) => ({ "@type": ADMIN_TYPES + dump, ...dynamic(dump) }))
      .filter((config) => Object.keys(config).length > 1),
  ];
  if (mask === null) return json({ configs });
  const masked = configs.flatMap((config) => maskConfig(config, mask));
  return masked.length > 0
    ? json({ configs: masked })
    : plain(400, `FieldMask ${mask} could not be successfully applied to any configs.`);
};

/** The shape of Envoy's UpdateFailureState, which its bootstrap cannot have. */
function errorState(source: AdminSource): JsonObject {
  const failure = source.updateFailure();
  if (failure === null) return {};
  const last = new Date(failure.wallMs).toISOString();
  return { error_state: { last_update_attempt: last, details: failure.details } };
}

type NamedEntry = readonly [name: string, entry: JsonObject];

function oneResource(
  resource: string,
  lists: readonly (readonly [ListName, readonly NamedEntry[]])[],
  mask: string | null,
): AdminResponse {
  if (resource === "bootstrap") {
    const advice = "Use ?mask=bootstrap to get only this field";
    return plain(400, `bootstrap is not a repeated field. ${advice}`);
  }
  const found = lists.find(([name]) => name === resource);
  if (found === undefined) return plain(404, `${resource} not found in config dump`);
  const [name, entries] = found;
  const type = ADMIN_TYPES + LISTS[name].entry;
  const configs = entries.flatMap(([, entry]) => {
    const whole: JsonObject = { "@type": type, ...entry };
    return mask === null ? [whole] : maskConfig(whole, mask);
  });
  if (mask !== null && configs.length === 0 && entries.length > 0) {
    return plain(400, `FieldMask ${mask} could not be successfully applied to any configs.`);
  }
  return json({ configs });
}

const plain = (status: number, body: string): AdminResponse =>
  status === 404 ? text(body, 404) : { ...typed("text/plain", body), status };

function asObject(value: Json | undefined): JsonObject {
  return isObject(value) ? value : {};
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !isList(value);
}

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

function asList(value: Json | undefined): readonly Json[] {
  return isList(value) ? value : [];
}

function resources(bootstrap: JsonObject, kind: "clusters" | "listeners"): readonly JsonObject[] {
  return asList(asObject(bootstrap["static_resources"])[kind]).map(asObject);
}

function routeConfigs(bootstrap: JsonObject): readonly JsonObject[] {
  return resources(bootstrap, "listeners")
    .flatMap((listener) => asList(listener["filter_chains"]))
    .flatMap((chain) => asList(asObject(chain)["filters"]))
    .map((filter) => asObject(asObject(filter)["typed_config"])["route_config"])
    .filter(isObject);
}

function entriesOf(list: ListName, bootstrap: JsonObject, loaded: string): readonly NamedEntry[] {
  const { field, type, from } = LISTS[list];
  return from(bootstrap).map((message) => {
    const name = message["name"];
    const entry: JsonObject = { [field]: { "@type": type, ...message }, last_updated: loaded };
    return [typeof name === "string" ? name : "", entry];
  });
}

/** @param mask a protobuf FieldMask: paths with dots, joined by commas */
function maskConfig(config: JsonObject, mask: string): readonly JsonObject[] {
  const picked = pick(
    config,
    mask.split(",").map((path) => path.split(".")),
  );
  return Object.keys(picked).length === 0 ? [] : [{ ...typeOf(config), ...picked }];
}

function typeOf(message: JsonObject): JsonObject {
  const type = message["@type"];
  return type === undefined ? {} : { "@type": type };
}

function pick(message: JsonObject, paths: readonly (readonly string[])[]): JsonObject {
  const picked: Record<string, Json> = {};
  for (const [head = "", ...rest] of paths) {
    const value = Object.hasOwn(message, head) ? message[head] : undefined;
    if (value === undefined || head === "@type") continue;
    if (rest.length === 0) picked[head] = value;
    else if (isObject(value)) {
      picked[head] = { ...typeOf(value), ...asObject(picked[head]), ...pick(value, [rest]) };
    }
  }
  return picked;
}

function redact(value: Json): Json {
  if (isList(value)) return value.map(redact);
  if (!isObject(value)) return value;
  return mapFields(value, (key, field) =>
    SENSITIVE.has(key) ? redactAll(key, field) : redact(field),
  );
}

function redactAll(key: string, value: Json): Json {
  if (typeof value === "string") return key === "inline_bytes" ? REDACTED_BYTES : REDACTED;
  if (isList(value)) return value.map((item) => redactAll(key, item));
  return isObject(value) ? mapFields(value, redactAll) : value;
}

function mapFields(value: JsonObject, map: (key: string, field: Json) => Json): JsonObject {
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, map(key, field)]));
}
