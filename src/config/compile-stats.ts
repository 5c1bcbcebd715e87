/**
 * `stats_config`: tags that are cut out of the names of stats and become labels. Source: Envoy,
 * config.metrics.v3.StatsConfig.
 */
import type { StatsConfig, TagSpecifier } from "../gen/envoy/config/metrics/v3/stats_pb.ts";
import { compileRegex } from "../http/regex.ts";
import type { Place } from "./place.ts";
import type { StatTagConfig, StatTagsConfig } from "./types.ts";

/** Bytes of a tag's regex. Source: Envoy, TagSpecifier.regex. */
const REGEX_BYTES_MAX = 1024;

/** @param message undefined: Envoy's own tags alone */
export function compileStatTags(message: StatsConfig | undefined, place: Place): StatTagsConfig {
  const tags = place.child("stats_tags");
  const compiled = message?.statsTags.map((tag, i) => compileTag(tag, tags.item(i))) ?? [];
  return {
    useDefaults: message?.useAllDefaultTags ?? true,
    tags: compiled.filter((tag) => tag !== null),
  };
}

function compileTag({ tagName, tagValue }: TagSpecifier, place: Place): StatTagConfig | null {
  if (tagName === "") {
    place.child("tag_name").problem("tag_name is required", "name the label");
    return null;
  }
  switch (tagValue.case) {
    case "fixedValue":
      return { kind: "fixed", name: tagName, value: tagValue.value };
    case "regex":
      return compileTagRegex(tagName, tagValue.value, place.child("regex"));
    default:
      // One of Envoy's own tags by its name: those are on unless use_all_default_tags is false.
      return null;
  }
}

function compileTagRegex(name: string, source: string, place: Place): StatTagConfig | null {
  const regex = compileRegex(source);
  if ("error" in regex) {
    place.problem(`invalid RE2 regex: ${regex.error}`, "correct the expression");
  } else if (source.length > REGEX_BYTES_MAX) {
    place.problem(`the regex has ${source.length} bytes`, `at most ${REGEX_BYTES_MAX}`);
  } else if (regex.groupCount === 0) {
    place.problem("the regex has no group", "group 1 is cut out of the name, group 2 is the value");
  } else {
    return { kind: "regex", name, regex: source };
  }
  return null;
}
