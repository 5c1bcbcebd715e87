/**
 * Path rewriting of routes and redirects: prefix and regex forms, query kept.
 */
import type {
  ForwardActionConfig,
  RedirectActionConfig,
  RouteConfig,
  RouteMatchConfig,
} from "../config/types.ts";
import { checkedRegex, type Regex } from "../http/regex.ts";
import { pathOnly, TLS_REDIRECT } from "./route-table.ts";
import type { StreamInfo } from "./stream-info.ts";

/** Compiled once per source text; the texts come from the configuration, so the map is bounded. */
const compiled = new Map<string, Regex>();

function regexOf(source: string): Regex {
  const known = compiled.get(source);
  if (known !== undefined) return known;
  const regex = checkedRegex(source);
  compiled.set(source, regex);
  return regex;
}

function matchedPrefix(match: RouteMatchConfig, path: string): string {
  switch (match.path.kind) {
    case "prefix":
    case "pathSeparatedPrefix":
      return match.path.prefix;
    default:
      return pathOnly(path);
  }
}

type PathRules = Pick<ForwardActionConfig, "prefixRewrite" | "regexRewrite">;

/** `path` with the route's rewrite applied; the same text when there is none. */
export function rewritePath(path: string, rules: PathRules, match: RouteMatchConfig): string {
  if (rules.prefixRewrite !== null) {
    return rules.prefixRewrite + path.slice(matchedPrefix(match, path).length);
  }
  if (rules.regexRewrite === null) return path;
  const plain = pathOnly(path);
  const { regex, substitution } = rules.regexRewrite;
  return regexOf(regex).replaceAll(plain, substitution) + path.slice(plain.length);
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = { http: 80, https: 443 };

/** The `location` of a redirect. */
export function redirectLocation(
  action: RedirectActionConfig,
  route: RouteConfig,
  info: StreamInfo,
): string {
  const headers = info.requestHeaders;
  const path = headers?.get(":path") ?? "/";
  const authority = headers?.get(":authority") ?? "";
  if (action === TLS_REDIRECT) return `https://${authority}${path}`;
  const before = headers?.get("x-forwarded-proto") ?? "http";
  const scheme = action.scheme ?? before;
  return `${scheme}://${hostOf(action, authority, scheme, before)}${pathOf(action, route, path)}`;
}

function hostOf(
  action: RedirectActionConfig,
  authority: string,
  scheme: string,
  before: string,
): string {
  const colon = authority.endsWith("]") ? -1 : authority.lastIndexOf(":");
  const name = colon < 0 ? authority : authority.slice(0, colon);
  const port = colon < 0 ? "" : authority.slice(colon);
  const host = action.host ?? name;
  if (action.port !== null) {
    return DEFAULT_PORTS[scheme] === action.port ? host : `${host}:${action.port}`;
  }
  if (action.host !== null) return host;
  // The old scheme's default port means nothing under the new scheme.
  return scheme !== before && port === `:${DEFAULT_PORTS[before]}` ? host : host + port;
}

function pathOf(action: RedirectActionConfig, route: RouteConfig, path: string): string {
  const plain = pathOnly(path);
  const query = action.stripQuery ? "" : path.slice(plain.length);
  if (action.path !== null) return action.path.includes("?") ? action.path : action.path + query;
  return rewritePath(plain, action, route.match) + query;
}
