/**
 * Several versions of one Wasm filter side by side: by header and by weight, and shadows, which run
 * beside the one that serves and change nothing. Source: proto/granary/filters/http/wasm/v1.
 */
import type { PluginConfig as PluginMessage } from "../gen/envoy/extensions/wasm/v3/wasm_pb.ts";
import type { WasmVersions } from "../gen/granary/filters/http/wasm/v1/wasm_versions_pb.ts";
import { compileHeaderMatch } from "./compile-match.ts";
import { fractionOf } from "./compile-percent.ts";
import { compilePlugin, type ListenerOfPlugin, mergedPlugin } from "./compile-wasm.ts";
import type { Place } from "./place.ts";
import type {
  FilterVersionConfig,
  FilterVersionsConfig,
  PluginConfig,
  PluginMode,
  ShadowConfig,
  WasmFilterConfig,
} from "./types.ts";

interface VersionContext {
  readonly base: PluginMessage;
  readonly listener: ListenerOfPlugin;
  /** Of the filter's own `config`: versions without code of their own share its VM. */
  readonly own: PluginConfig;
}

/** `place` is that of the typed_config. Null after a problem has been reported. */
export function compileVersions(
  message: WasmVersions,
  name: string,
  listener: ListenerOfPlugin,
  place: Place,
): WasmFilterConfig | null {
  const { config } = message;
  if (config === undefined) return null;
  const own = compilePlugin(config, listener, place.child("config"));
  if (own === null) return null;
  const context = { base: config, listener, own };
  const weighted = compileWeighted(message, context, place.child("weighted"));
  const shadows = compileShadows(message, context, place.child("shadows"));
  const totalWeight = weighted.reduce((sum, { weight }) => sum + weight, 0);
  const versions: FilterVersionsConfig = { weighted, totalWeight, shadows };
  return { kind: "wasm", name, plugin: own, disabled: false, versions };
}

function compileWeighted(
  { weighted }: WasmVersions,
  context: VersionContext,
  place: Place,
): FilterVersionConfig[] {
  checkNames(weighted, place);
  const total = weighted.reduce((sum, { weight }) => sum + (weight ?? 0), 0);
  if (weighted.length > 0 && total === 0) {
    place.problem("no version has a weight", "give at least one a weight over 0");
  }
  return weighted.flatMap((version, i) => {
    const at = place.item(i);
    const plugin = versionOf(version.config, "live", context, at);
    const headers = version.headers.map((matcher, index) =>
      compileHeaderMatch(matcher, at.child("headers").item(index)),
    );
    if (plugin === null) return [];
    return [{ name: version.name, plugin, weight: version.weight ?? 0, headers }];
  });
}

function compileShadows(
  { shadows }: WasmVersions,
  context: VersionContext,
  place: Place,
): ShadowConfig[] {
  checkNames(shadows, place);
  return shadows.flatMap((shadow, i) => {
    const at = place.item(i);
    const plugin = versionOf(shadow.config, "shadow", context, at);
    if (plugin === null) return [];
    return [
      { name: shadow.name, plugin, share: fractionOf(shadow.fraction, at.child("fraction")) },
    ];
  });
}

function checkNames(versions: readonly { readonly name: string }[], place: Place): void {
  const seen = new Set<string>();
  versions.forEach(({ name }, i) => {
    if (seen.has(name)) {
      const text = `there are two versions "${name}"`;
      place.item(i).child("name").problem(text, "rename one of them");
    }
    seen.add(name);
  });
}

function versionOf(
  config: PluginMessage | undefined,
  mode: PluginMode,
  { base, listener, own }: VersionContext,
  place: Place,
): PluginConfig | null {
  const shared = config?.vm.case === undefined ? own : null;
  const message = config === undefined ? base : mergedPlugin(base, config);
  const plugin = compilePlugin(message, listener, place.child("config"), shared);
  if (plugin === null) return null;
  // A shadow harms nobody when it fails, and is to be seen failing.
  return mode === "live" ? plugin : { ...plugin, mode, failurePolicy: "closed" };
}
