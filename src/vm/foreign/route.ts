/** `clear_route_cache`: the route is chosen anew, as after a change of the request headers. */
import { clearRouteCache } from "../hostcalls/stream.ts";
import type { ForeignFamily } from "./types.ts";

export const routeFunctions: ForeignFamily = (env) => ({
  clear_route_cache: () => clearRouteCache(env),
});
