/**
 * Filesystem xDS: resources that the bootstrap, listeners and clusters name by `path_config_source`
 * are read from their files and put in the places where static ones stand, before anything is
 * decoded. So every later rule is the same for them, and problems name their own file and line.
 * Source: Envoy, dynamic configuration from the filesystem.
 */
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { LIMITS } from "../base/limits.ts";
import type { ProblemList } from "./problems.ts";
import type { JsonObject, JsonValue } from "./protobuf.ts";
import { TreeReader } from "./read-tree.ts";
import { type Document, isMap, isSeq, LineCounter, type Node, parseDocument } from "./yaml.ts";

export type XdsKind = "lds" | "cds" | "rds" | "eds" | "ecds";

/** One subscription. */
export interface XdsSource {
  readonly kind: XdsKind;
  /** Of the resource; "" for lists (LDS, CDS). */
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  /** `version_info`, or a digest of the file where there is none. */
  readonly version: string;
  readonly text: string;
  /** Scope of its stats, such as `listener_manager.lds`. */
  readonly statScope: string;
}

/** A resource as it is in use, for `/config_dump`. */
export interface XdsResource {
  readonly kind: XdsKind;
  readonly name: string;
  readonly version: string;
  /** Proto JSON with `@type`, as text. */
  readonly json: string;
}

export interface XdsContext {
  readonly problems: ProblemList;
  /** Files that were read, absolute; filled. */
  readonly files: Set<string>;
  readonly baseDir: string;
  /** Texts that stand in for files whose present content was refused, by absolute path. */
  readonly accepted: ReadonlyMap<string, string>;
}

interface XdsFile {
  readonly path: string;
  readonly text: string;
  readonly version: string;
  readonly document: Document;
  readonly lines: LineCounter;
  readonly resources: readonly Node[];
}

const RESPONSE_FIELDS = ["version_info", "resources", "type_url", "nonce", "canary"];
const NOT_EDS = "the type of the cluster is not EDS";
const TYPES: Readonly<Record<XdsKind, string>> = {
  lds: "envoy.config.listener.v3.Listener",
  cds: "envoy.config.cluster.v3.Cluster",
  rds: "envoy.config.route.v3.RouteConfiguration",
  eds: "envoy.config.endpoint.v3.ClusterLoadAssignment",
  ecds: "envoy.config.core.v3.TypedExtensionConfig",
};

export class XdsFiles {
  readonly sources: XdsSource[] = [];
  readonly resources: XdsResource[] = [];
  /** Files of {@link sources}, absolute. */
  readonly paths = new Set<string>();
  readonly #context: XdsContext;
  readonly #parsed = new Map<string, XdsFile | null>();

  constructor(context: XdsContext) {
    this.#context = context;
  }

  /** Puts what files hold into the bootstrap `json`. */
  inline(json: JsonObject): void {
    const dynamic = objectOf(json["dynamic_resources"]);
    const fixed = objectOf(json["static_resources"]);
    const lists = [
      ["lds", "listeners", "listener_manager.lds"],
      ["cds", "clusters", "cluster_manager.cds"],
    ] as const;
    for (const [kind, field, statScope] of lists) {
      const source = dynamic[`${kind}_config`];
      if (source === undefined) continue;
      const at = `dynamic_resources.${kind}_config`;
      const file = this.#open(source, at);
      if (file === null) continue;
      this.#note(kind, "", file, statScope);
      const list = listOf(fixed[field]);
      for (const node of file.resources) {
        const resource = this.#read(file, node, {
          kind,
          at: `static_resources.${field}[${list.length}]`,
        });
        if (resource !== null) list.push(resource);
      }
      fixed[field] = list;
      json["static_resources"] = fixed;
    }
    listOf(fixed["clusters"]).forEach((each, i) => {
      this.#inlineEndpoints(objectOf(each), `static_resources.clusters[${i}]`);
    });
    listOf(fixed["listeners"]).forEach((each, i) => {
      this.#inlineListener(objectOf(each), `static_resources.listeners[${i}]`);
    });
  }

  #inlineEndpoints(cluster: JsonObject, at: string): void {
    const eds = cluster["eds_cluster_config"];
    if (cluster["type"] !== "EDS") {
      const hint = "write type: EDS";
      if (eds !== undefined) this.#context.problems.add(`${at}.eds_cluster_config`, NOT_EDS, hint);
      return;
    }
    if (eds === undefined) {
      const hint = "add eds_cluster_config: {eds_config: {path_config_source: {path: FILE}}}";
      this.#context.problems.add(`${at}.type`, "EDS needs eds_cluster_config", hint);
      return;
    }
    const { eds_config: source, service_name: service } = objectOf(eds);
    const name = String(cluster["name"]);
    const wanted = typeof service === "string" && service !== "" ? service : name;
    const found = this.#find(source, { kind: "eds", name: wanted, at: `${at}.load_assignment` });
    if (found === null) return;
    const scope = `cluster.${name.replaceAll(":", "_")}`;
    this.#note("eds", wanted, found.file, scope);
    // The name is the service's; the field of a static cluster asks for the cluster's own.
    cluster["load_assignment"] = { ...found.resource, cluster_name: name };
    cluster["type"] = "STATIC";
    delete cluster["eds_cluster_config"];
  }

  #inlineListener(listener: JsonObject, at: string): void {
    const chains = listOf(listener["filter_chains"]).map((chain, i): [JsonObject, string] => [
      objectOf(chain),
      `${at}.filter_chains[${i}]`,
    ]);
    if (listener["default_filter_chain"] !== undefined) {
      chains.push([objectOf(listener["default_filter_chain"]), `${at}.default_filter_chain`]);
    }
    for (const [chain, path] of chains) {
      listOf(chain["filters"]).forEach((filter, i) => {
        const config = objectOf(objectOf(filter)["typed_config"]);
        if (!String(config["@type"]).endsWith(".HttpConnectionManager")) return;
        this.#inlineManager(config, `${path}.filters[${i}].typed_config`);
      });
    }
  }

  #inlineManager(manager: JsonObject, at: string): void {
    const rds = objectOf(manager["rds"]);
    const name = String(rds["route_config_name"] ?? "");
    const wanted = { kind: "rds", name, at: `${at}.route_config` } as const;
    const found = manager["rds"] === undefined ? null : this.#find(rds["config_source"], wanted);
    if (found !== null) {
      const prefix = String(manager["stat_prefix"]).replaceAll(":", "_");
      this.#note("rds", name, found.file, `http.${prefix}.rds.${name}`);
      manager["route_config"] = found.resource;
      delete manager["rds"];
    }
    listOf(manager["http_filters"]).forEach((filter, i) => {
      this.#inlineExtension(objectOf(filter), `${at}.http_filters[${i}]`);
    });
  }

  #inlineExtension(filter: JsonObject, at: string): void {
    const discovery = objectOf(filter["config_discovery"]);
    if (filter["config_discovery"] === undefined) return;
    const name = String(filter["name"]);
    const found = this.#find(discovery["config_source"], { kind: "ecds", name, at });
    const config = found === null ? discovery["default_config"] : found.resource["typed_config"];
    if (found !== null) {
      this.#note("ecds", name, found.file, `extension_config_discovery.http_filter.${name}`);
    }
    if (config === undefined) return;
    const type = String(objectOf(config)["@type"]);
    const types = listOf(discovery["type_urls"]);
    if (!types.includes(type)) {
      const hint = `config_discovery.type_urls has ${types.join(", ")}`;
      this.#context.problems.add(`${at}.typed_config`, `"${type}" is not one of type_urls`, hint);
    }
    filter["typed_config"] = config;
    delete filter["config_discovery"];
  }

  /** The resource called `name`; null after a problem. */
  #find(
    source: JsonValue | undefined,
    wanted: { readonly kind: XdsKind; readonly name: string; readonly at: string },
  ): { readonly resource: JsonObject; readonly file: XdsFile } | null {
    const { kind, name, at } = wanted;
    const file = this.#open(source, at);
    if (file === null) return null;
    const key = kind === "eds" ? "cluster_name" : "name";
    const node = file.resources.find((each) => isMap(each) && each.get(key) === name);
    if (node === undefined) {
      const text = `"${file.path}" has no ${TYPES[kind]} called "${name}"`;
      this.#context.problems.add(at, text, "add it to resources");
      return null;
    }
    const resource = this.#read(file, node, { kind, at });
    return resource === null ? null : { resource, file };
  }

  #read(file: XdsFile, node: Node, { kind, at }: { kind: XdsKind; at: string }): JsonObject | null {
    const { document, lines, path } = file;
    const { problems } = this.#context;
    const reader = new TreeReader({ document, lines, origin: path, base: null }, problems);
    const read = reader.readAny(node, at);
    if (read === null) return null;
    const { "@type": type, ...resource } = read;
    if (!String(type).endsWith(`/${TYPES[kind]}`)) {
      problems.add(
        at,
        `"${type}" is not expected here`,
        `write type.googleapis.com/${TYPES[kind]}`,
      );
      return null;
    }
    const name = String(resource[kind === "eds" ? "cluster_name" : "name"] ?? "");
    this.resources.push({ kind, name, version: file.version, json: JSON.stringify(read) });
    return resource;
  }

  #note(kind: XdsKind, name: string, { path, version, text }: XdsFile, statScope: string): void {
    this.sources.push({ kind, name, path, version, text, statScope });
  }

  /** The file that `source` names; null after a problem. */
  #open(source: JsonValue | undefined, at: string): XdsFile | null {
    const config = objectOf(source);
    const named = objectOf(config["path_config_source"])["path"] ?? config["path"];
    if (typeof named !== "string") {
      const hint = "write path_config_source: {path: FILE}";
      this.#context.problems.add(at, "only files are implemented as a config source", hint);
      return null;
    }
    const path = resolve(this.#context.baseDir, named);
    this.#context.files.add(path);
    this.paths.add(path);
    const known = this.#parsed.get(path);
    if (known !== undefined) return known;
    const parsed = this.#parse(path, at);
    this.#parsed.set(path, parsed);
    return parsed;
  }

  #parse(path: string, at: string): XdsFile | null {
    const { problems, accepted } = this.#context;
    const text = accepted.get(path) ?? readWhole(path);
    if (text === null) {
      problems.add(at, `the file "${path}" cannot be read`, "write it before it is named");
      return null;
    }
    const lines = new LineCounter();
    const options = { lineCounter: lines, prettyErrors: false, uniqueKeys: false };
    const document = parseDocument(text, options);
    const report = (offset: number, message: string, hint: string): null => {
      const { line, col } = lines.linePos(offset);
      const position = { origin: path, line: Math.max(1, line), column: Math.max(1, col) };
      problems.addAt(at, position, { message, hint });
      return null;
    };
    const [error] = document.errors;
    if (error !== undefined) return report(error.pos[0], error.message, "correct the YAML");
    const root = document.contents;
    if (!isMap(root)) return report(0, "a DiscoveryResponse is expected", "write resources: [...]");
    for (const { key } of root.items) {
      const name = String(key)
        .replace("versionInfo", "version_info")
        .replace("typeUrl", "type_url");
      if (!RESPONSE_FIELDS.includes(name)) {
        return report(0, `unknown field "${name}" in a DiscoveryResponse`, "remove it");
      }
    }
    const resources: unknown = root.get("resources") ?? null;
    const given: unknown = root.get("version_info") ?? root.get("versionInfo");
    const version = given === undefined ? digest(text) : String(given);
    const nodes = isSeq(resources) ? (resources.items as Node[]) : [];
    if (resources !== null && !isSeq(resources)) return report(0, "resources must be a list", "");
    return { path, text, version, document, lines, resources: nodes };
  }
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}

function readWhole(path: string): string | null {
  try {
    return statSync(path).size > LIMITS.configBytes ? null : readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
}

function listOf(value: JsonValue | undefined): JsonValue[] {
  return Array.isArray(value) ? value : [];
}
