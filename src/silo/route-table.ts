/**
 * Which route a request takes: virtual host by domain, then the first route that matches. Compiled
 * once per silo from the configuration; matching allocates nothing but what a regex needs.
 * @hot per-request
 */

import type {
  RedirectActionConfig,
  RouteConfig,
  RouteTableConfig,
  VirtualHostConfig,
} from "../config/types.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { HeaderMatcher, matchesAll } from "../http/header-matcher.ts";
import { checkedRegex, type Regex } from "../http/regex.ts";
import { StringMatcher } from "../http/string-matcher.ts";

export interface RouteMatch {
  readonly virtualHost: VirtualHostConfig;
  readonly route: RouteConfig;
}

interface CompiledRoute {
  readonly match: RouteMatch;
  readonly regex: Regex | null;
  readonly headers: readonly HeaderMatcher[];
  readonly query: readonly CompiledQuery[];
}
interface CompiledQuery {
  readonly name: string;
  /** null = any value. */
  readonly value: StringMatcher | null;
}
interface CompiledHost {
  readonly config: VirtualHostConfig;
  readonly routes: readonly CompiledRoute[];
  /** What requests without TLS get, or null where they are served. */
  readonly tlsRedirect: RouteMatch | null;
}
interface WildcardHost {
  readonly text: string;
  readonly host: CompiledHost;
}

const NO_HEADERS = { requestAdd: [], requestRemove: [], responseAdd: [], responseRemove: [] };
/** The action of `require_tls`: the same address under https. */
export const TLS_REDIRECT: RedirectActionConfig = {
  kind: "redirect",
  status: 301,
  scheme: "https",
  host: null,
  port: null,
  path: null,
  prefixRewrite: null,
  regexRewrite: null,
  stripQuery: false,
};

export class RouteTable {
  readonly config: RouteTableConfig;
  /** Some route matches a share of the requests only. */
  readonly hasShares: boolean;
  readonly #exact = new Map<string, CompiledHost>();
  readonly #suffixes: WildcardHost[] = [];
  readonly #prefixes: WildcardHost[] = [];
  #default: CompiledHost | null = null;

  constructor(config: RouteTableConfig) {
    this.config = config;
    this.hasShares = config.virtualHosts.some(({ routes }) =>
      routes.some(({ match }) => match.share < 1),
    );
    for (const host of config.virtualHosts) {
      const routes = host.routes.map((route) => compileRoute(host, route));
      const compiled = { config: host, routes, tlsRedirect: tlsRedirectOf(host) };
      for (const domain of host.domains) this.#addDomain(domain, compiled);
    }
    // The longest wildcard wins.
    const longest = (a: WildcardHost, b: WildcardHost): number => b.text.length - a.text.length;
    this.#suffixes.sort(longest);
    this.#prefixes.sort(longest);
  }

  #addDomain(domain: string, host: CompiledHost): void {
    if (domain === "*") this.#default = host;
    else if (domain.startsWith("*")) this.#suffixes.push({ text: domain.slice(1), host });
    else if (domain.endsWith("*")) this.#prefixes.push({ text: domain.slice(0, -1), host });
    else this.#exact.set(domain, host);
  }

  /**
   * The route of a request with pseudo-headers, or null. `share` (0..1) is the request's own; it is
   * looked at where {@link hasShares}.
   */
  match(headers: HeaderMap, share: number): RouteMatch | null {
    const path = headers.get(":path");
    if (path === null) return null;
    const host = this.#hostOf(headers.get(":authority") ?? "");
    if (host === null) return null;
    if (host.tlsRedirect !== null && needsTls(host.config, headers)) return host.tlsRedirect;
    for (const route of host.routes) {
      const wanted = route.match.route.match.share;
      if (wanted < 1 && share >= wanted) continue;
      if (matches(route, path, headers)) return route.match;
    }
    return null;
  }

  #hostOf(authority: string): CompiledHost | null {
    if (this.#exact.size === 0 && this.#suffixes.length === 0 && this.#prefixes.length === 0) {
      return this.#default;
    }
    let name = authority.toLowerCase();
    if (this.config.ignorePortInHost) name = withoutPort(name);
    const exact = this.#exact.get(name);
    if (exact !== undefined) return exact;
    for (const { text, host } of this.#suffixes) {
      if (name.length > text.length && name.endsWith(text)) return host;
    }
    for (const { text, host } of this.#prefixes) {
      if (name.length > text.length && name.startsWith(text)) return host;
    }
    return this.#default;
  }
}

function withoutPort(authority: string): string {
  const colon = authority.lastIndexOf(":");
  if (colon < 0 || authority.endsWith("]")) return authority;
  return authority.slice(0, colon);
}

function tlsRedirectOf(host: VirtualHostConfig): RouteMatch | null {
  const [route] = host.routes;
  if (host.requireTls === "none" || route === undefined) return null;
  const redirect = {
    ...route,
    name: "",
    action: TLS_REDIRECT,
    overrides: null,
    headers: NO_HEADERS,
    metadata: null,
  };
  return { virtualHost: host, route: redirect };
}

/** Envoy asks the scheme that the client used; requests from inside may be exempt. */
function needsTls(host: VirtualHostConfig, headers: HeaderMap): boolean {
  if (headers.get("x-forwarded-proto") === "https") return false;
  return host.requireTls === "all" || headers.get("x-envoy-internal") !== "true";
}

function compileRoute(virtualHost: VirtualHostConfig, route: RouteConfig): CompiledRoute {
  const { match } = route;
  return {
    match: { virtualHost, route },
    regex: match.path.kind === "regex" ? checkedRegex(match.path.regex) : null,
    headers: match.headers.map((rule) => new HeaderMatcher(rule)),
    query: match.queryParameters.map((config) => ({
      name: config.name,
      value: config.match === null ? null : new StringMatcher(config.match),
    })),
  };
}

function matches(route: CompiledRoute, path: string, headers: HeaderMap): boolean {
  if (!matchesPath(route, path)) return false;
  if (!matchesAll(route.headers, headers)) return false;
  for (const query of route.query) if (!matchesQuery(query, path)) return false;
  return true;
}

/** `path` up to the query. */
export function pathOnly(path: string): string {
  const question = path.indexOf("?");
  return question < 0 ? path : path.slice(0, question);
}

function matchesPath(route: CompiledRoute, path: string): boolean {
  const { path: wanted, caseSensitive } = route.match.route.match;
  switch (wanted.kind) {
    case "prefix":
      if (caseSensitive) return path.startsWith(wanted.prefix);
      return path.toLowerCase().startsWith(wanted.prefix.toLowerCase());
    case "path":
      return equalText(pathOnly(path), wanted.path, caseSensitive);
    case "pathSeparatedPrefix": {
      const plain = pathOnly(path);
      const size = wanted.prefix.length;
      if (!equalText(plain.slice(0, size), wanted.prefix, caseSensitive)) return false;
      return plain.length === size || plain[size] === "/";
    }
    default:
      return route.regex?.matchesFull(pathOnly(path)) ?? false;
  }
}

function equalText(a: string, b: string, caseSensitive: boolean): boolean {
  return caseSensitive ? a === b : a.toLowerCase() === b.toLowerCase();
}

function matchesQuery(query: CompiledQuery, path: string): boolean {
  const value = queryValue(path, query.name);
  return value !== null && (query.value === null || query.value.matches(value));
}

/** The first value of `name` in the query of `path`; null when absent. */
function queryValue(path: string, name: string): string | null {
  const question = path.indexOf("?");
  if (question < 0) return null;
  const hash = path.indexOf("#", question);
  const query = path.slice(question + 1, hash < 0 ? path.length : hash);
  for (const part of query.split("&")) {
    const equals = part.indexOf("=");
    const key = equals < 0 ? part : part.slice(0, equals);
    if (key === name) return equals < 0 ? "" : part.slice(equals + 1);
  }
  return null;
}
