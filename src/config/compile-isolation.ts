/**
 * Limits of plugins: Envoy has no fields for them, so they stand in metadata that Envoy accepts and
 * ignores, under the key `granary.wasm`: in the listener's `metadata.filter_metadata` for its
 * plugins, in `node.metadata` for all. Both hold the same fields, and under `plugins` the same
 * again by plugin name; the nearest value counts. See ADR 040.
 */

import type { IsolationConfig, IsolationLayer } from "./isolation-types.ts";
import { publicKeyOf } from "./module-signature.ts";
import type { Place } from "./place.ts";
import type { JsonValue } from "./protobuf.ts";

/** Key within the metadata. */
export const ISOLATION_KEY = "granary.wasm";

const MIB_BYTES = 1_048_576;
/** What wasm32 can address. */
const MEMORY_MIB_MAX = 4_096;
/** A day: more is no limit. */
const DURATION_MS_MAX = 86_400_000;
const WAITING_CALLS_MAX = 1_000_000;
const CRASHES_MAX = 1_000_000;
/** More VMs on one silo than memory has room for. */
const POOL_VMS_MAX = 1_024;

export const ISOLATION_DEFAULTS: IsolationConfig = {
  memoryBytesMax: 128 * MIB_BYTES,
  memoryTotalBytesMax: 0,
  cpuBudgetMs: 1_000,
  startBudgetMs: 30_000,
  callbackBudgetsMs: {},
  crashesMax: 10,
  crashWindowMs: 60_000,
  waitingCallsMax: 1_024,
  suspensionMsMax: 60_000,
  vmPoolMin: 1,
  vmPoolMax: 8,
  vmPoolIdleMs: 60_000,
  publicKeys: null,
  handlerWaitMsMax: 60_000,
  hasStandby: true,
};

export const NO_ISOLATION: IsolationLayer = { common: {}, plugins: {} };

/** The limits of the plugin `name`; `layers` nearest first. */
export function isolationOf(name: string, layers: readonly IsolationLayer[]): IsolationConfig {
  let made = ISOLATION_DEFAULTS;
  for (const layer of [...layers].reverse()) {
    const own = Object.hasOwn(layer.plugins, name) ? layer.plugins[name] : {};
    const callbackBudgetsMs = {
      ...made.callbackBudgetsMs,
      ...layer.common.callbackBudgetsMs,
      ...own?.callbackBudgetsMs,
    };
    made = { ...made, ...layer.common, ...own, callbackBudgetsMs };
  }
  return made;
}

/** Reads the value under {@link ISOLATION_KEY}; what is wrong is reported at `place`. */
export function readIsolation(value: JsonValue | undefined, place: Place): IsolationLayer {
  if (value === undefined) return NO_ISOLATION;
  const fields = objectOf(value, place);
  const plugins: [string, Partial<IsolationConfig>][] = [];
  const { plugins: given, ...common } = fields;
  if (given !== undefined) {
    const at = place.child("plugins");
    for (const [name, own] of Object.entries(objectOf(given, at))) {
      plugins.push([name, readFields(objectOf(own, at.key(name)), at.key(name))]);
    }
  }
  return { common: readFields(common, place), plugins: Object.fromEntries(plugins) };
}

type Fields = Readonly<Record<string, JsonValue>>;
type Reader = (value: JsonValue, place: Place) => Partial<IsolationConfig>;

const READERS: Readonly<Record<string, Reader>> = {
  memory_max_mib: (value, place) => ({
    memoryBytesMax: numberOf(value, { min: 1, max: MEMORY_MIB_MAX }, place) * MIB_BYTES,
  }),
  memory_total_mib: (value, place) => ({
    memoryTotalBytesMax: numberOf(value, { min: 1, max: 2 ** 20 }, place) * MIB_BYTES,
  }),
  cpu_budget: (value, place) => ({ cpuBudgetMs: durationOf(value, place) }),
  start_cpu_budget: (value, place) => ({ startBudgetMs: durationOf(value, place) }),
  callback_cpu_budgets: (value, place) => ({ callbackBudgetsMs: budgetsOf(value, place) }),
  crashes_max: (value, place) => ({
    crashesMax: numberOf(value, { min: 1, max: CRASHES_MAX }, place),
  }),
  crash_window: (value, place) => ({ crashWindowMs: durationOf(value, place) }),
  waiting_calls_max: (value, place) => ({
    waitingCallsMax: numberOf(value, { min: 1, max: WAITING_CALLS_MAX }, place),
  }),
  suspension_time_max: (value, place) => ({ suspensionMsMax: durationOf(value, place) }),
  vm_pool_min: (value, place) => ({
    vmPoolMin: numberOf(value, { min: 1, max: POOL_VMS_MAX }, place),
  }),
  vm_pool_max: (value, place) => ({
    vmPoolMax: numberOf(value, { min: 1, max: POOL_VMS_MAX }, place),
  }),
  vm_pool_idle_time: (value, place) => ({ vmPoolIdleMs: durationOf(value, place) }),
  public_keys: (value, place) => ({ publicKeys: keysOf(value, place) }),
  handler_wait_max: (value, place) => ({ handlerWaitMsMax: durationOf(value, place) }),
  warm_standby: (value, place) => {
    if (typeof value !== "boolean") place.problem("true or false is expected");
    return { hasStandby: value === true };
  },
};

function readFields(fields: Fields, place: Place): Partial<IsolationConfig> {
  let made: Partial<IsolationConfig> = {};
  for (const [name, value] of Object.entries(fields)) {
    const read = Object.hasOwn(READERS, name) ? READERS[name] : undefined;
    if (read === undefined) {
      const hint = `known are ${[...Object.keys(READERS), "plugins"].join(", ")}`;
      place.child(name).problem(`unknown limit "${name}"`, hint);
    } else made = { ...made, ...read(value, place.child(name)) };
  }
  return made;
}

function objectOf(value: JsonValue, place: Place): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  place.problem("an object is expected");
  return {};
}

function numberOf(
  value: JsonValue,
  range: { readonly min: number; readonly max: number },
  place: Place,
): number {
  const { min, max } = range;
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) {
    return value;
  }
  place.problem(`a whole number from ${min} to ${max} is expected`);
  return min;
}

/** Milliseconds of `1.5s`, as protobuf writes durations. */
function durationOf(value: JsonValue, place: Place): number {
  const seconds = typeof value === "string" ? /^(\d{1,9}(?:\.\d{1,9})?)s$/.exec(value)?.[1] : null;
  const ms = Number(seconds ?? Number.NaN) * 1_000;
  if (ms >= 0 && ms <= DURATION_MS_MAX) return ms;
  place.problem("a duration up to a day is expected", 'write seconds, such as "0.5s"');
  return 0;
}

function keysOf(value: JsonValue, place: Place): readonly string[] {
  const given: readonly JsonValue[] = Array.isArray(value) ? value : [];
  if (given.length === 0) place.problem("a list of at least one public key is expected");
  return given.map((key, index) => {
    const text = typeof key === "string" ? key : "";
    if (publicKeyOf(text) === null) {
      const hint = "write its 32 bytes in hex or base64";
      place.item(index).problem("this is no Ed25519 public key", hint);
    }
    return text;
  });
}

/** Whether the names are callbacks is checked where callbacks are known: on main. */
function budgetsOf(value: JsonValue, place: Place): Readonly<Record<string, number>> {
  const budgets: [string, number][] = [];
  for (const [name, budget] of Object.entries(objectOf(value, place))) {
    budgets.push([name, durationOf(budget, place.child(name))]);
  }
  return Object.fromEntries(budgets);
}
