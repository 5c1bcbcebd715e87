/**
 * Headers to add and remove that the configuration names: on the route, then the virtual host, then
 * the route table, most specific first as in Envoy.
 */
import type { HeaderMutation, HeaderMutations } from "../config/types.ts";
import { isValidHeaderValue } from "../http/h1/serialise.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { formatText } from "./formatter.ts";
import type { StreamInfo } from "./stream-info.ts";

function add(headers: HeaderMap, mutation: HeaderMutation, info: StreamInfo): void {
  const value = formatText(mutation.value, info, "");
  if ((value === "" && !mutation.keepEmptyValue) || !isValidHeaderValue(value)) return;
  const name = mutation.name === "host" ? ":authority" : mutation.name;
  switch (mutation.action) {
    case "append":
      headers.add(name, value);
      break;
    case "addIfAbsent":
      if (!headers.has(name)) headers.append(name, value);
      break;
    case "overwriteIfExists":
      if (headers.has(name)) headers.set(name, value);
      break;
    default:
      headers.set(name, value);
  }
}

export function mutateRequest(headers: HeaderMap, by: HeaderMutations, info: StreamInfo): void {
  for (const name of by.requestRemove) headers.remove(name);
  for (const mutation of by.requestAdd) add(headers, mutation, info);
}

export function mutateResponse(headers: HeaderMap, by: HeaderMutations, info: StreamInfo): void {
  for (const name of by.responseRemove) headers.remove(name);
  for (const mutation of by.responseAdd) add(headers, mutation, info);
}
