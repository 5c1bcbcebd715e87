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
  /** Changes that need a restart: one line each. */
  readonly refusals: readonly string[];
}

export function diffConfigs(before: GranaryConfig, after: GranaryConfig): ConfigDiff {
  const listeners = diffNamed(before.listeners, after.listeners);
  return {
    clusters: diffNamed(before.clusters, after.clusters),
    listeners,
    refusals: [...fixedParts(before, after), ...fixedListenerParts(before, listeners)],
  };
}

/** Whether nothing that a silo sees differs. */
export function isEmptyDiff({ clusters, listeners, refusals }: ConfigDiff): boolean {
  return isEmpty(clusters) && isEmpty(listeners) && refusals.length === 0;
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

/** What only a new process takes. */
const FIXED_PARTS = ["node", "admin", "services", "statSinks", "statsFlushMs", "statTags"] as const;

function fixedParts(before: GranaryConfig, after: GranaryConfig): string[] {
  const refusals: string[] = [];
  for (const part of FIXED_PARTS) {
    if (isDeepStrictEqual(before[part], after[part])) continue;
    refusals.push(`${part}: cannot change while Granary runs; restart it`);
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
