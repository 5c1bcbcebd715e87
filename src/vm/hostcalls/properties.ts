/** proxy_get_property, proxy_set_property. ABI 3.3. */
import { ByteCache } from "../../abi/byte-cache.ts";
import { STATUS } from "../../abi/enums.ts";
import type { GroupHostcalls } from "../../abi/hostcall-types.ts";
import type { PropertyValue } from "../../config/types.ts";
import type { GuestContext } from "../contexts.ts";
import { listenerProperty, pluginProperty } from "../plugin-properties.ts";
import { byteText, serializeProperty, splitPath } from "../property-codec.ts";
import type { RootContext } from "../root-context.ts";
import type { HostcallEnv } from "./env.ts";

/** The property as `context` sees it. undefined = NotFound; null = not serialisable. */
export function lookUpProperty(
  env: HostcallEnv,
  context: (Pick<GuestContext, "stream"> & { readonly root: RootContext | null }) | null,
  path: readonly string[],
): PropertyValue | null | undefined {
  const root = context === null ? null : context.root;
  const stream = context === null ? null : context.stream;
  const name = path[0] ?? "";
  if (name === "") return null;
  if (path.length === 1) {
    const own = pluginProperty(name, root === null ? null : root.config, env.config);
    if (own !== undefined) return own;
  }
  if (stream !== null) return stream.roles.properties.property(path);
  if (root === null) return undefined;
  const known = listenerProperty(path, root.config);
  return known !== undefined ? known : env.roles.rootProperties.property(path);
}

/** Paths by their bytes, of all VMs of the thread. */
const paths = new ByteCache<readonly string[]>(splitPath);

export function propertyHostcalls(env: HostcallEnv): GroupHostcalls<"properties"> {
  const { memory, call, results } = env;
  return {
    proxy_get_property: (pathPtr, pathLen, ptrPtr, lenPtr) => {
      const path = memory.find(paths, pathPtr, pathLen);
      if (path === null) return STATUS.invalidMemoryAccess;
      const value = lookUpProperty(env, call, path);
      if (value === undefined) return STATUS.notFound;
      if (value === null) return STATUS.serializationFailure;
      if (typeof value === "string") return results.text(byteText(value), ptrPtr, lenPtr);
      const bytes = serializeProperty(value);
      if (bytes === null) return STATUS.serializationFailure;
      return results.bytes(bytes, ptrPtr, lenPtr);
    },
    proxy_set_property: (pathPtr, pathLen, valuePtr, valueLen) => {
      const path = memory.find(paths, pathPtr, pathLen);
      const value = memory.readBytes(valuePtr, valueLen);
      if (path === null || value === null) return STATUS.invalidMemoryAccess;
      const stream = call.stream;
      if (stream === null) return STATUS.notFound;
      const name = path.join("\0");
      const declaration = env.declared.of(stream.root, name);
      const isStored = stream.roles.properties.setState(`wasm.${name}`, value, declaration);
      return isStored ? STATUS.ok : STATUS.badArgument;
    },
  };
}
