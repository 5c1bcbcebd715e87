/**
 * Which route a request takes: virtual host by domain, then the first route that matches. Compiled
 * once per silo from the configuration; matching allocates nothing but what a regex needs.
 * @hot per-request
 */

import type {
  HeaderMatchConfig,
  QueryMatchConfig,
  RouteConfig,
  RouteTableConfig,
  StringMatchConfig,
  VirtualHostConfig,
} from "../config/types.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { compileRegex, type Regex } from "../http/regex.ts";

export interface RouteMatch {
  readonly virtualHost: VirtualHostConfig;
  readonly route: RouteConfig;
}

interface CompiledRoute {
  readonly match: RouteMatch;
  readonly regex: Regex | null;
  readonly headers: readonly CompiledHeader[];
  readonly query: readonly CompiledQuery[];
}
interface CompiledHeader {
  readonly config: HeaderMatchConfig;
  readonly regex: Regex | null;
}
interface CompiledQuery {
  readonly config: QueryMatchConfig;
  readonly regex: Regex | null;
}
interface CompiledHost {
  readonly config: VirtualHostConfig;
  readonly routes: readonly CompiledRoute[];
}
interface WildcardHost {
  readonly text: string;
  readonly host: CompiledHost;
}

/** A regex that the configuration has already checked. */
export function checkedRegex(source: string): Regex {
  const regex = compileRegex(source);
  if ("error" in regex) throw new Error(`regex ${source}: ${regex.error}`);
  return regex;
}

export class RouteTable {
  readonly config: RouteTableConfig;
  readonly #exact = new Map<string, CompiledHost>();
  readonly #suffixes: WildcardHost[] = [];
  readonly #prefixes: WildcardHost[] = [];
  #default: CompiledHost | null = null;

  constructor(config: RouteTableConfig) {
    this.config = config;
    for (const host of config.virtualHosts) {
      const compiled = { config: host, routes: host.routes.map((r) => compileRoute(host, r)) };
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
   * The route of a request with pseudo-headers, or null. `random` (0..1) is not used for matching.
   */
  match(headers: HeaderMap): RouteMatch | null {
    const path = headers.get(":path");
    if (path === null) return null;
    const host = this.#hostOf(headers.get(":authority") ?? "");
    if (host === null) return null;
    for (const route of host.routes) if (matches(route, path, headers)) return route.match;
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

function regexOf(match: StringMatchConfig | null): Regex | null {
  return match !== null && match.kind === "regex" ? checkedRegex(match.regex) : null;
}

function compileRoute(virtualHost: VirtualHostConfig, route: RouteConfig): CompiledRoute {
  const { match } = route;
  return {
    match: { virtualHost, route },
    regex: match.path.kind === "regex" ? checkedRegex(match.path.regex) : null,
    headers: match.headers.map((config) => ({
      config,
      regex: config.match.kind === "string" ? regexOf(config.match.string) : null,
    })),
    query: match.queryParameters.map((config) => ({ config, regex: regexOf(config.match) })),
  };
}

function matches(route: CompiledRoute, path: string, headers: HeaderMap): boolean {
  if (!matchesPath(route, path)) return false;
  for (const header of route.headers) if (!matchesHeader(header, headers)) return false;
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

function matchesString(match: StringMatchConfig, regex: Regex | null, value: string): boolean {
  if (match.kind === "regex") return regex?.matchesFull(value) ?? false;
  const text = match.ignoreCase ? value.toLowerCase() : value;
  const wanted = match.ignoreCase ? match.value.toLowerCase() : match.value;
  switch (match.kind) {
    case "exact":
      return text === wanted;
    case "prefix":
      return text.startsWith(wanted);
    case "suffix":
      return text.endsWith(wanted);
    default:
      return text.includes(wanted);
  }
}

function matchesHeader({ config, regex }: CompiledHeader, headers: HeaderMap): boolean {
  const present = headers.getJoined(config.name);
  const { match } = config;
  if (match.kind === "present") return (present !== null) === (match.present !== config.invert);
  const value = present ?? (config.treatMissingAsEmpty ? "" : null);
  // A missing header matches neither a rule nor its inversion, as in Envoy.
  if (value === null) return false;
  if (match.kind === "string") return matchesString(match.string, regex, value) !== config.invert;
  const number = integerOf(value);
  return (number >= match.start && number < match.end) !== config.invert;
}

/** The value of a decimal integer with an optional minus sign; NaN for anything else. */
function integerOf(text: string): number {
  const start = text.startsWith("-") ? 1 : 0;
  if (text.length === start) return Number.NaN;
  for (let i = start; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return Number.NaN;
  }
  return Number(text);
}

function matchesQuery({ config, regex }: CompiledQuery, path: string): boolean {
  const value = queryValue(path, config.name);
  if (value === null) return false;
  return config.match === null || matchesString(config.match, regex, value);
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
