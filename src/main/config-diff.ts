/**
 * What differs between the configuration that runs and the next one, by name. Pure.
 */
import { isDeepStrictEqual } from "node:util";
import type { ClusterConfig, GranaryConfig, ListenerConfig } from "../config/types.ts";

export interface NamedDiff<T> {
  readonly added: readonly T[];
  readonly modified: readonly T[];
  readonly removed: readonly string[];
}

export interface ConfigDiff {
  readonly clusters: NamedDiff<ClusterConfig>;
  readonly listeners: NamedDiff<ListenerConfig>;
  /** Whether plugins of the server differ: services, stats sinks, how often these are fed. */
  readonly server: boolean;
  /** Changes that need a restart: one line each. */
  readonly refusals: readonly string[];
}

export function diffConfigs(before: GranaryConfig, after: GranaryConfig): ConfigDiff {
  const listeners = diffNamed(before.listeners, after.listeners);
  return {
    clusters: diffNamed(before.clusters, after.clusters),
    listeners,
    server: SERVER_PARTS.some((part) => !isDeepStrictEqual(before[part], after[part])),
    refusals: [...fixedParts(before, after), ...fixedListenerParts(before, listeners)],
  };
}

/** Whether nothing that a silo sees differs. */
export function isEmptyDiff({ clusters, listeners, server, refusals }: ConfigDiff): boolean {
  return isEmpty(clusters) && isEmpty(listeners) && !server && refusals.length === 0;
}

function isEmpty<T>({ added, modified, removed }: NamedDiff<T>): boolean {
  return added.length === 0 && modified.length === 0 && removed.length === 0;
}

function diffNamed<T extends { readonly name: string }>(
  before: readonly T[],
  after: readonly T[],
): NamedDiff<T> {
  const known = new Map(before.map((each) => [each.name, each]));
  const names = new Set(after.map(({ name }) => name));
  return {
    added: after.filter(({ name }) => !known.has(name)),
    modified: after.filter((each) => {
      const old = known.get(each.name);
      return old !== undefined && !isDeepStrictEqual(old, each);
    }),
    removed: before.map(({ name }) => name).filter((name) => !names.has(name)),
  };
}

const SERVER_PARTS = ["services", "statSinks", "statsFlushMs"] as const;

/** What only a new process takes, and what the file calls it. */
const FIXED_PARTS = { node: "node", admin: "admin", statTags: "stats_config" } as const;

function fixedParts(before: GranaryConfig, after: GranaryConfig): string[] {
  const refusals: string[] = [];
  for (const [part, name] of Object.entries(FIXED_PARTS)) {
    const key = part as keyof typeof FIXED_PARTS;
    if (isDeepStrictEqual(before[key], after[key])) continue;
    refusals.push(`${name}: cannot change while Granary runs; restart it`);
  }
  return refusals;
}

/** A socket that listens keeps its backlog. */
function fixedListenerParts(
  before: GranaryConfig,
  { modified }: NamedDiff<ListenerConfig>,
): string[] {
  return modified.flatMap(({ name, address, backlog }) => {
    const old = before.listeners.find((listener) => listener.name === name);
    if (old === undefined || !isDeepStrictEqual(old.address, address)) return [];
    if (old.backlog === backlog) return [];
    const hint = "restart Granary, or give the listener another address";
    return [`listener '${name}': tcp_backlog_size cannot change while it listens; ${hint}`];
  });
}
