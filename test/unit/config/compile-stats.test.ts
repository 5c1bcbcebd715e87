/** `stats_config`: tags of stats. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { formatProblems } from "../../../src/config/load.ts";
import { bootstrapText, load } from "./bootstrap-text.ts";
import { good } from "./good-config.ts";

const config = (fields: string): string => `stats_config: {${fields}}`;
const problems = (fields: string): string =>
  formatProblems(load(bootstrapText({ top: config(fields) })).problems);

describe("stats_config", () => {
  test("without it Envoy's own tags are cut out", () => {
    assert.deepEqual(good({}).statTags, { useDefaults: true, tags: [] });
  });

  test("regexes and fixed values name labels", () => {
    const tags = `stats_tags: [{tag_name: reporter, regex: "(reporter=\\\\.=(.*?);\\\\.;)"}, {tag_name: env, fixed_value: prod}, {tag_name: envoy.cluster_name}]`;
    const top = config(`${tags}, use_all_default_tags: false`);
    assert.deepEqual(good({ top }).statTags, {
      useDefaults: false,
      tags: [
        { kind: "regex", name: "reporter", regex: "(reporter=\\.=(.*?);\\.;)" },
        { kind: "fixed", name: "env", value: "prod" },
      ],
    });
  });

  test("a regex that is none, has no group or is too long, and a tag without a name are problems", () => {
    assert.match(problems(`stats_tags: [{tag_name: a, regex: "("}]`), /invalid RE2 regex/);
    assert.match(problems(`stats_tags: [{tag_name: a, regex: "x"}]`), /has no group/);
    const long = `(${"x".repeat(1030)})`;
    assert.match(problems(`stats_tags: [{tag_name: a, regex: "${long}"}]`), /1024/);
    assert.match(problems("stats_tags: [{fixed_value: x}]"), /tag_name is required/);
  });

  test("what is not implemented is refused", () => {
    assert.match(problems("stats_matcher: {reject_all: true}"), /stats_matcher/);
  });
});
