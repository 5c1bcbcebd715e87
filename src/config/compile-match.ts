/** String, header, query and path matchers, and regular expressions. */

import type {
  HeaderMatcher,
  QueryParameterMatcher,
  RouteMatch,
} from "../gen/envoy/config/route/v3/route_components_pb.ts";
import type {
  RegexMatchAndSubstitute,
  RegexMatcher,
} from "../gen/envoy/type/matcher/v3/regex_pb.ts";
import type { StringMatcher } from "../gen/envoy/type/matcher/v3/string_pb.ts";
import { compileRegex } from "../http/regex.ts";
import { fractionOf } from "./compile-percent.ts";
import type { Place } from "./place.ts";
import { wireText } from "./place.ts";
import type {
  HeaderMatchConfig,
  QueryMatchConfig,
  RouteMatchConfig,
  StringMatchConfig,
} from "./types.ts";

/** The match of a route; null after a problem. */
export function compileMatch(match: RouteMatch, place: Place): RouteMatchConfig | null {
  const path = compilePath(match, place);
  const headers = match.headers.map((m, i) =>
    compileHeaderMatch(m, place.child("headers").item(i)),
  );
  const queryParameters = match.queryParameters.map((m, i) =>
    compileQueryMatch(m, place.child("query_parameters").item(i)),
  );
  if (path === null) return null;
  const at = place.child("runtime_fraction").child("default_value");
  const share = fractionOf(match.runtimeFraction?.defaultValue, at);
  return { path, caseSensitive: match.caseSensitive ?? true, headers, queryParameters, share };
}

function compilePath(match: RouteMatch, place: Place): RouteMatchConfig["path"] | null {
  const specifier = match.pathSpecifier;
  switch (specifier.case) {
    case "prefix":
      return { kind: "prefix", prefix: wireText(specifier.value) };
    case "path":
      return { kind: "path", path: wireText(specifier.value) };
    case "pathSeparatedPrefix":
      return { kind: "pathSeparatedPrefix", prefix: wireText(specifier.value) };
    case "safeRegex":
      return { kind: "regex", regex: regexSource(specifier.value, place.child("safe_regex")) };
    default:
      return null;
  }
}

export function compileHeaderMatch(matcher: HeaderMatcher, place: Place): HeaderMatchConfig {
  return {
    name: matcher.name.toLowerCase(),
    match: headerMatchOf(matcher, place),
    invert: matcher.invertMatch,
    treatMissingAsEmpty: matcher.treatMissingHeaderAsEmpty,
  };
}

function headerMatchOf(matcher: HeaderMatcher, place: Place): HeaderMatchConfig["match"] {
  const specifier = matcher.headerMatchSpecifier;
  const plain = (kind: "exact" | "prefix" | "suffix" | "contains", value: string) =>
    ({ kind: "string", string: { kind, value: wireText(value), ignoreCase: false } }) as const;
  switch (specifier.case) {
    case "exactMatch":
      return plain("exact", specifier.value);
    case "prefixMatch":
      return plain("prefix", specifier.value);
    case "suffixMatch":
      return plain("suffix", specifier.value);
    case "containsMatch":
      return plain("contains", specifier.value);
    case "safeRegexMatch": {
      const regex = regexSource(specifier.value, place.child("safe_regex_match"));
      return { kind: "string", string: { kind: "regex", regex } };
    }
    case "rangeMatch": {
      const { start, end } = specifier.value;
      return { kind: "range", start: Number(start), end: Number(end) };
    }
    case "stringMatch": {
      const string = compileStringMatch(specifier.value, place.child("string_match"));
      return { kind: "string", string };
    }
    case "presentMatch":
      return { kind: "present", present: specifier.value };
    default:
      return { kind: "present", present: true };
  }
}

function compileQueryMatch(matcher: QueryParameterMatcher, place: Place): QueryMatchConfig {
  const specifier = matcher.queryParameterMatchSpecifier;
  if (specifier.case !== "stringMatch") {
    if (specifier.case === "presentMatch" && !specifier.value) {
      const message = "present_match: false is not implemented by Granary";
      place.child("present_match").problem(message, "write present_match: true or string_match");
    }
    return { name: matcher.name, match: null };
  }
  const match = compileStringMatch(specifier.value, place.child("string_match"));
  return { name: matcher.name, match };
}

/** A StringMatcher; a custom one is reported by the pass before. */
export function compileStringMatch(matcher: StringMatcher, place: Place): StringMatchConfig {
  const { case: kind, value } = matcher.matchPattern;
  switch (kind) {
    case "exact":
    case "prefix":
    case "suffix":
    case "contains":
      return { kind, value: wireText(value), ignoreCase: matcher.ignoreCase };
    case "safeRegex":
      if (matcher.ignoreCase) {
        const hint = 'begin the regex with "(?i)" instead';
        place.child("ignore_case").problem("ignore_case has no effect on safe_regex", hint);
      }
      return { kind: "regex", regex: regexSource(value, place.child("safe_regex")) };
    default:
      return { kind: "exact", value: "", ignoreCase: false };
  }
}

/** The text of a regex, checked to compile. */
function regexSource(matcher: RegexMatcher, place: Place): string {
  const compiled = compileRegex(matcher.regex);
  if ("error" in compiled) reportRegex(compiled.error, place);
  return matcher.regex;
}

function reportRegex(error: string, place: Place): void {
  const hint = "RE2 syntax: no backreferences, no lookaround";
  place.child("regex").problem(`the regex is invalid: ${error}`, hint);
}

/** `regex_rewrite`: pattern and substitution, checked against each other. */
export function compileRewrite(
  message: RegexMatchAndSubstitute,
  place: Place,
): { readonly regex: string; readonly substitution: string } {
  const regex = message.pattern?.regex ?? "";
  const compiled = compileRegex(regex);
  if ("error" in compiled) {
    reportRegex(compiled.error, place.child("pattern"));
  } else {
    const wrong = compiled.substitutionError(message.substitution);
    if (wrong !== null) place.child("substitution").problem(wrong);
  }
  return { regex, substitution: wireText(message.substitution) };
}
