/** Headers to add and to remove, on route configurations, virtual hosts, routes and clusters. */
import type { HeaderValueOption } from "../gen/envoy/config/core/v3/base_pb.ts";
import { HeaderValueOption_HeaderAppendAction as Action } from "../gen/envoy/config/core/v3/base_pb.ts";
import { compileFormat } from "./compile-access-log.ts";
import type { Place } from "./place.ts";
import { wireText } from "./place.ts";
import type { HeaderMutation, HeaderMutations } from "./types.ts";

/** The four fields that all these messages share. */
export interface HeaderFields {
  readonly requestHeadersToAdd: readonly HeaderValueOption[];
  readonly requestHeadersToRemove: readonly string[];
  readonly responseHeadersToAdd: readonly HeaderValueOption[];
  readonly responseHeadersToRemove: readonly string[];
}

const ACTIONS: Readonly<Record<number, HeaderMutation["action"]>> = {
  [Action.APPEND_IF_EXISTS_OR_ADD]: "append",
  [Action.ADD_IF_ABSENT]: "addIfAbsent",
  [Action.OVERWRITE_IF_EXISTS_OR_ADD]: "overwrite",
  [Action.OVERWRITE_IF_EXISTS]: "overwriteIfExists",
};

/** RFC 9110 token, or a pseudo-header. */
const HEADER_NAME = /^:?[!#$%&'*+\-.^_`|~0-9a-z]+$/;

/** `place` is that of the message with the four fields. */
export function compileHeaders(message: HeaderFields, place: Place): HeaderMutations {
  const add = (options: readonly HeaderValueOption[], name: string): HeaderMutation[] => {
    const at = place.child(name);
    return options.map((option, i) => headerToAdd(option, at.item(i)));
  };
  const remove = (names: readonly string[], field: string): string[] => {
    const at = place.child(field);
    return names.map((name, i) => headerToRemove(name, at.item(i)));
  };
  return {
    requestAdd: add(message.requestHeadersToAdd, "request_headers_to_add"),
    requestRemove: remove(message.requestHeadersToRemove, "request_headers_to_remove"),
    responseAdd: add(message.responseHeadersToAdd, "response_headers_to_add"),
    responseRemove: remove(message.responseHeadersToRemove, "response_headers_to_remove"),
  };
}

export function headerToAdd(option: HeaderValueOption, place: Place): HeaderMutation {
  const at = place.child("header");
  const name = (option.header?.key ?? "").toLowerCase();
  if (!HEADER_NAME.test(name)) {
    at.child("key").problem(`"${name}" is not a valid HTTP header name`, "use a token");
  } else if (isProtected(name)) {
    const hint = name === "host" ? "use host_rewrite_literal" : "remove it";
    at.child("key").problem(`"${name}" may not be changed`, hint);
  }
  const raw = option.header?.rawValue ?? new Uint8Array(0);
  const text = option.header?.value ?? "";
  if (raw.length > 0 && text !== "") {
    at.child("raw_value").problem("value and raw_value are both set", "keep one of the two");
  }
  const source = raw.length > 0 ? Buffer.from(raw).toString("latin1") : wireText(text);
  const value = compileFormat(source, at.child(raw.length > 0 ? "raw_value" : "value"));
  return { name, value, action: actionOf(option, place), keepEmptyValue: option.keepEmptyValue };
}

function actionOf(option: HeaderValueOption, place: Place): HeaderMutation["action"] {
  if (option.append === undefined) return ACTIONS[option.appendAction] ?? "append";
  if (option.appendAction !== Action.APPEND_IF_EXISTS_OR_ADD) {
    const message = "append and append_action are both set";
    place.child("append").problem(message, "keep append_action, remove append");
  }
  return option.append ? "append" : "overwrite";
}

function headerToRemove(name: string, place: Place): string {
  const lower = name.toLowerCase();
  if (!HEADER_NAME.test(lower)) {
    place.problem(`"${lower}" is not a valid HTTP header name`, "use a token");
  } else if (isProtected(lower)) {
    place.problem(`"${lower}" may not be removed`, "remove it from this list");
  }
  return lower;
}

function isProtected(name: string): boolean {
  return name.startsWith(":") || name === "host";
}
