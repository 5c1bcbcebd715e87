/**
 * The Wasm filter: code, VM and plugin identity, configuration bytes, failure policy.
 * Source: Proxy-Wasm ABI reference 5.1 (keys), 5.8 (failure), 5.10 (configuration model).
 */
import { createHash, type KeyObject } from "node:crypto";
import { LIMITS } from "../base/limits.ts";
import type { Metadata } from "../gen/envoy/config/core/v3/base_pb.ts";
import type { Wasm } from "../gen/envoy/extensions/filters/http/wasm/v3/wasm_pb.ts";
import type {
  EnvironmentVariables,
  PluginConfig as PluginMessage,
  VmConfig as VmMessage,
} from "../gen/envoy/extensions/wasm/v3/wasm_pb.ts";
import {
  FailurePolicy as FailureEnum,
  PluginConfigSchema,
} from "../gen/envoy/extensions/wasm/v3/wasm_pb.ts";
import { coroutinesOf } from "./compile-coroutines.ts";
import { isolationOf } from "./compile-isolation.ts";
import { propertyMessage } from "./compile-property.ts";
import { compileScript, NULL_RUNTIME } from "./compile-script.ts";
import { readSource, type SourceBytes } from "./compile-source.ts";
import type { IsolationLayer } from "./isolation-types.ts";
import { isSignedBy, publicKeyOf } from "./module-signature.ts";
import type { Place } from "./place.ts";
import { durationMs, unpack } from "./place.ts";
import type { Any } from "./protobuf.ts";
import {
  BytesValueSchema,
  clone,
  isMessage,
  StringValueSchema,
  StructSchema,
  toBinary,
  toJson,
} from "./protobuf.ts";
import { compileRemote, type RemoteCode, remoteKey } from "./remote-code.ts";
import type {
  FailurePolicy,
  IsolationConfig,
  PluginConfig,
  VmConfig,
  WasmFilterConfig,
} from "./types.ts";

/** What a plugin sees of the listener it is in; part of its identity. */
export interface ListenerOfPlugin {
  readonly trafficDirection: number;
  readonly metadata: Metadata | undefined;
  /** Limits of its plugins: the listener's, then those of all. */
  readonly isolation: readonly IsolationLayer[];
}

/** All of them run on the engine of Node. */
const RUNTIMES = ["", ...["v8", "wasmtime", "wamr"].map((name) => `envoy.wasm.runtime.${name}`)];
/** `\0asm`, version 1: a core module, not a component. */
const MAGIC = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const RELOAD_BASE_INTERVAL_MS = 1_000;

/** `place` is that of the typed_config. Null after a problem has been reported. */
export function compileWasm(
  message: Wasm,
  name: string,
  listener: ListenerOfPlugin,
  place: Place,
): WasmFilterConfig | null {
  const at = place.child("config");
  if (message.config === undefined) {
    at.problem("config is required", "add config with vm_config");
    return null;
  }
  const plugin = compilePlugin(message.config, listener, at);
  return plugin === null ? null : { kind: "wasm", name, plugin, disabled: false, versions: null };
}

/**
 * The plugin of any extension; `place` is that of its PluginConfig. Null after a problem.
 * @param shared the plugin whose VM and limits this one has; null: `vm_config` says.
 */
export function compilePlugin(
  message: PluginMessage,
  listener: ListenerOfPlugin,
  place: Place,
  shared: PluginConfig | null = null,
): PluginConfig | null {
  const configuration = configurationBytes(message.configuration);
  const failurePolicy = compileFailure(message, place);
  if (message.vm.case !== "vmConfig") {
    place.child("vm_config").problem("vm_config is required", "add vm_config with code");
    return null;
  }
  const isolation = shared?.isolation ?? isolationOf(message.name, listener.isolation);
  const at = place.child("vm_config");
  const vm = shared?.vm ?? compileVm(message.vm.value, { name: message.name, isolation }, at);
  if (vm === null) return null;
  const allowed = Object.keys(message.capabilityRestrictionConfig?.allowedCapabilities ?? {});
  const reload = message.reloadConfig?.backoff?.baseInterval;
  return {
    name: message.name,
    rootId: message.rootId,
    vm,
    configuration,
    failurePolicy,
    reloadBaseIntervalMs: durationMs(reload, RELOAD_BASE_INTERVAL_MS),
    allowOnHeadersStopIteration: message.allowOnHeadersStopIteration ?? false,
    allowedCapabilities: allowed.length === 0 ? null : allowed,
    pluginKey: pluginKey(message, configuration, listener),
    trafficDirection: listener.trafficDirection,
    listenerMetadata: listener.metadata === undefined ? null : propertyMessage(listener.metadata),
    isolation,
    mode: "live",
  };
}

/** The filter's own message with the fields that `override` sets. */
export function mergedPlugin(base: PluginMessage, override: PluginMessage): PluginMessage {
  const message = clone(PluginConfigSchema, base);
  if (override.name !== "") message.name = override.name;
  if (override.rootId !== "") message.rootId = override.rootId;
  if (override.vm.case !== undefined) message.vm = override.vm;
  if (override.configuration !== undefined) message.configuration = override.configuration;
  if (override.failurePolicy !== FailureEnum.UNSPECIFIED || override.failOpen) {
    message.failurePolicy = override.failurePolicy;
    message.failOpen = override.failOpen;
  }
  if (override.reloadConfig !== undefined) message.reloadConfig = override.reloadConfig;
  if (override.capabilityRestrictionConfig !== undefined) {
    message.capabilityRestrictionConfig = override.capabilityRestrictionConfig;
  }
  if (override.allowOnHeadersStopIteration !== undefined) {
    message.allowOnHeadersStopIteration = override.allowOnHeadersStopIteration;
  }
  return message;
}

function compileFailure(message: PluginMessage, place: Place): FailurePolicy {
  if (message.failOpen && message.failurePolicy !== FailureEnum.UNSPECIFIED) {
    place
      .child("fail_open")
      .problem(
        "fail_open and failure_policy are both set",
        "keep failure_policy, remove fail_open",
      );
  }
  switch (message.failurePolicy) {
    case FailureEnum.FAIL_RELOAD:
      return "reload";
    case FailureEnum.FAIL_OPEN:
      return "open";
    default:
      return message.failOpen ? "open" : "closed";
  }
}

function compileVm(
  message: VmMessage,
  { name, isolation }: Pick<PluginConfig, "name" | "isolation">,
  place: Place,
): VmConfig | null {
  if (message.runtime !== NULL_RUNTIME && !RUNTIMES.includes(message.runtime)) {
    const hint = `write envoy.wasm.runtime.v8 or leave it out; ${NULL_RUNTIME} for TypeScript`;
    place.child("runtime").problem(`the runtime "${message.runtime}" is not implemented`, hint);
  }
  const configuration = configurationBytes(message.configuration);
  const variables = message.environmentVariables;
  const at = place.child("environment_variables");
  const environment = variables === undefined ? [] : compileEnvironment(variables, at);
  const isScript = message.runtime === NULL_RUNTIME;
  const codeAt = place.child("code");
  const found = isScript
    ? here(compileScript(message, isolation, codeAt))
    : compileCode(message, isolation, codeAt);
  if (found === null) return null;
  const { sha256: codeSha256, isHere } = found;
  const bytes = isHere ? place.context.modules.get(codeSha256)?.bytes : undefined;
  const code = bytes ?? Buffer.from(`missing ${codeSha256}`);
  const vmKey = keyOf([Buffer.from(message.vmId), configuration, code]);
  const asked = isScript ? false : coroutinesOf(configuration, place.child("configuration"));
  const coroutines = asked ?? (bytes !== undefined && place.context.marksCoroutines(bytes));
  const keyed = codeKeyOf([codeSha256, name], isolation, coroutines ? "coroutines" : "plain");
  const ownKey = isScript ? `${codeSha256} script` : keyed;
  const codeKey = isHere ? ownKey : MISSING + ownKey;
  const { vmId } = message;
  return { vmId, vmKey, codeSha256, codeKey, configuration, coroutines, environment };
}

/** Before the key of code that could not be fetched: no compiled module has such a key. */
const MISSING = "missing ";

/** Whether the code of `vm` could not be fetched: its plugins answer by their policy. */
export function isCodeMissing(vm: VmConfig): boolean {
  return vm.codeKey.startsWith(MISSING);
}

/** Equal where the same bytes run: the limits that are built into the code are part of it. */
function codeKeyOf(
  [codeSha256, plugin]: readonly [string, string],
  isolation: IsolationConfig,
  form: "plain" | "coroutines",
): string {
  const { memoryBytesMax, memoryTotalBytesMax } = isolation;
  // A total is that of one plugin, which shares no VM with others then.
  const shares = memoryTotalBytesMax === 0 ? [] : [memoryTotalBytesMax, JSON.stringify(plugin)];
  const forms = form === "plain" ? [] : [form];
  return [codeSha256, memoryBytesMax, isMetered(isolation), ...shares, ...forms].join(" ");
}

/**
 * Whether any callback has a CPU budget, or all VMs a total of memory: else the code is not metered
 * at all.
 */
export function isMetered(isolation: IsolationConfig): boolean {
  const { cpuBudgetMs, startBudgetMs } = isolation;
  if (isolation.memoryTotalBytesMax > 0) return true;
  const budgets = [cpuBudgetMs, startBudgetMs, ...Object.values(isolation.callbackBudgetsMs)];
  return budgets.some((budgetMs) => budgetMs > 0);
}

interface FoundCode {
  readonly sha256: string;
  /** False: it could not be fetched. */
  readonly isHere: boolean;
}

/** Loads and checks the code. Null: a problem, or it must be fetched. */
function compileCode(
  message: VmMessage,
  isolation: IsolationConfig,
  place: Place,
): FoundCode | null {
  const specifier = message.code?.specifier;
  if (specifier?.case === undefined) {
    place.problem("code is required", "add code.local.filename with the name of the .wasm file");
    return null;
  }
  const at = place.child(specifier.case);
  const source =
    specifier.case === "local"
      ? readSource(specifier.value, at, LIMITS.moduleBytes)
      : remoteSource(compileRemote(specifier.value, message.nackOnCodeCacheMiss, at), at);
  if (source === null) return null;
  if ("missing" in source) return { sha256: source.missing, isHere: false };
  const { bytes, origin } = source;
  const field = at.child(source.field);
  const { publicKeys } = isolation;
  if (publicKeys !== null && !isSignedBy(bytes, keyObjects(publicKeys))) {
    const hint = "sign it, or add the signer's key to public_keys of granary.wasm";
    field.problem(`"${origin}" is not signed by any of the public keys`, hint);
    return null;
  }
  if (!MAGIC.every((byte, i) => bytes[i] === byte)) {
    const hint = "name a .wasm file (a core module, not a component and not text)";
    field.problem(`"${origin}" is not a WebAssembly module`, hint);
    return null;
  }
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const known = place.context.modules.has(sha256);
  const wrongs = place.context.checkModule(bytes);
  if (wrongs.length > 0) field.problem(`"${origin}": ${wrongs.join("; ")}`);
  if (!known) place.context.modules.set(sha256, { sha256, origin, bytes, scriptName: null });
  return here(sha256);
}

function here(sha256: string | null): FoundCode | null {
  return sha256 === null ? null : { sha256, isHere: true };
}

/** The code where it has been fetched; else it is noted as wanted. */
function remoteSource(
  remote: RemoteCode | null,
  place: Place,
): SourceBytes | { readonly missing: string } | null {
  if (remote === null) return null;
  const { remoteCode, wantedCode } = place.context;
  const key = remoteKey(remote);
  const bytes = remoteCode.get(key);
  if (bytes === null) return { missing: remote.sha256 };
  if (bytes !== undefined) return { bytes, origin: remote.uri, field: "http_uri" };
  wantedCode.set(key, remote);
  return null;
}

function keyObjects(publicKeys: readonly string[]): KeyObject[] {
  return publicKeys.map(publicKeyOf).filter((key) => key !== null);
}

function compileEnvironment(
  variables: EnvironmentVariables,
  place: Place,
): (readonly [string, string])[] {
  const pairs: (readonly [string, string])[] = [];
  variables.hostEnvKeys.forEach((key, i) => {
    if (Object.hasOwn(variables.keyValues, key)) {
      const message = `"${key}" is also in key_values`;
      place.child("host_env_keys").item(i).problem(message, "keep one of the two");
    }
    const value = process.env[key];
    if (value !== undefined) pairs.push([key, value]);
  });
  pairs.push(...Object.entries(variables.keyValues));
  return pairs;
}

/** The value rule of ABI 5.10: strings and bytes bare, Struct as JSON, anything else encoded. */
function configurationBytes(any: Any | undefined): Uint8Array {
  const message = unpack(any);
  if (isMessage(message, StringValueSchema)) return new Uint8Array(Buffer.from(message.value));
  if (isMessage(message, BytesValueSchema)) return message.value;
  if (isMessage(message, StructSchema)) {
    return new Uint8Array(Buffer.from(JSON.stringify(toJson(StructSchema, message))));
  }
  return any?.value ?? new Uint8Array(0);
}

/** Everything that makes two plugins differ, the VM apart. */
function pluginKey(
  message: PluginMessage,
  configuration: Uint8Array,
  listener: ListenerOfPlugin,
): string {
  const bare = clone(PluginConfigSchema, message);
  bare.vm = { case: undefined };
  const metadata =
    listener.metadata === undefined ? [] : [propertyMessage(listener.metadata).encoded];
  const extra = Buffer.concat([
    toBinary(PluginConfigSchema, bare),
    Buffer.from(`|${listener.trafficDirection}|`),
    ...metadata,
  ]);
  return keyOf([Buffer.from(message.rootId), configuration, extra]);
}

/** SHA-256 (hex) over the parts, joined by two pipe characters. */
function keyOf(parts: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  parts.forEach((part, i) => {
    if (i > 0) hash.update("||");
    hash.update(part);
  });
  return hash.digest("hex");
}
