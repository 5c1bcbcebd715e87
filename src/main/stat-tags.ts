/** The tags of `stats_config` as the reader of metrics applies them. Thread: main. */
import type { StatTagConfig, StatTagsConfig } from "../config/types.ts";
import { checkedRegex } from "../http/regex.ts";
import type { TagRule, TagRules } from "../metrics/tags.ts";

export function tagRulesOf({ useDefaults, tags }: StatTagsConfig): TagRules {
  return { useDefaults, rules: tags.map(ruleOf) };
}

function ruleOf(tag: StatTagConfig): TagRule {
  if (tag.kind === "fixed") {
    const always = { start: 0, end: 0, value: tag.value };
    return { name: tag.name, find: () => always };
  }
  const regex = checkedRegex(tag.regex);
  return { name: tag.name, find: (name) => regex.findGroups(name) };
}
