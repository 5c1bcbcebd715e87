/** Asks the table of routes directly, without a socket. */
import { dispatch } from "../../../src/admin/routes.ts";
import type { AdminResponse, AdminSource } from "../../../src/admin/types.ts";

/** @param target path and query; `query` values need no encoding here */
export function ask(source: AdminSource, target: string, method = "GET"): Promise<AdminResponse> {
  const [path = "", query = ""] = target.split(/\?(.*)/s);
  return dispatch(
    { method, path, query: new URLSearchParams(query.replaceAll("+", "%2B")) },
    source,
  );
}
