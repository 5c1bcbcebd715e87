/** proxy_get_configuration of ABI 0.1.0: what buffers 6 and 7 hold for later versions. */
import type { GroupHostcalls } from "../../abi/hostcall-types.ts";
import type { HostcallEnv } from "./env.ts";

export function configHostcalls(env: HostcallEnv): GroupHostcalls<"config"> {
  const { call, results } = env;
  return {
    // Inside proxy_on_configure it is the plugin's configuration, elsewhere the VM's.
    proxy_get_configuration: (ptrPtr, lenPtr) => {
      const root = call.pluginConfigReadable ? call.root : null;
      const bytes = root === null ? env.config.configuration : root.config.configuration;
      return results.bytes(bytes, ptrPtr, lenPtr);
    },
  };
}
