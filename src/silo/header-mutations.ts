/**
 * Headers to add and remove that the configuration names: on the route, then the virtual host, then
 * the route table, most specific first as in Envoy.
 */
import type { Format, HeaderMutation, HeaderMutations } from "../config/types.ts";
import { isValidHeaderValue } from "../http/h1/serialise.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { compileText } from "./formatter.ts";
import type { StreamInfo } from "./stream-info.ts";

/** Compiled with the first request that needs one; kept as long as the configuration is. */
const compiled = new WeakMap<Format, (info: StreamInfo) => string>();

function textOf(format: Format, info: StreamInfo): string {
  const only = format.length === 1 ? (format[0] as Format[number]) : null;
  if (only !== null && only.kind === "text") return only.text;
  let text = compiled.get(format);
  if (text === undefined) {
    text = compileText(format, "");
    compiled.set(format, text);
  }
  return text(info);
}

function add(headers: HeaderMap, mutation: HeaderMutation, info: StreamInfo): void {
  const value = textOf(mutation.value, info);
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

function apply(
  headers: HeaderMap,
  remove: readonly string[],
  adds: readonly HeaderMutation[],
  info: StreamInfo,
): void {
  for (let i = 0; i < remove.length; i++) headers.remove(remove[i] as string);
  addHeaders(headers, adds, info);
}

export function addHeaders(
  headers: HeaderMap,
  adds: readonly HeaderMutation[],
  info: StreamInfo,
): void {
  for (let i = 0; i < adds.length; i++) add(headers, adds[i] as HeaderMutation, info);
}

export function mutateRequest(headers: HeaderMap, by: HeaderMutations, info: StreamInfo): void {
  apply(headers, by.requestRemove, by.requestAdd, info);
}

export function mutateResponse(headers: HeaderMap, by: HeaderMutations, info: StreamInfo): void {
  apply(headers, by.responseRemove, by.responseAdd, info);
}
