import assert from "node:assert/strict";
import { test } from "node:test";
import { tagRulesOf } from "../../../src/main/stat-tags.ts";
import { extractTags } from "../../../src/metrics/tags.ts";

test("the tags of the configuration become labels: group 1 is cut out, group 2 is the value", () => {
  const rules = tagRulesOf({
    useDefaults: true,
    tags: [
      { kind: "regex", name: "reporter", regex: "(reporter=\\.=(.*?);\\.;)" },
      { kind: "regex", name: "zone", regex: "\\.(z[0-9])" },
      { kind: "fixed", name: "env", value: "prod" },
    ],
  });
  const name = "wasmcustom.requests_total.z7.reporter=.=source;.;";
  assert.deepEqual(extractTags(name, rules), {
    family: "wasmcustom.requests_total..",
    labels: { reporter: "source", zone: "z7", env: "prod" },
  });
  assert.deepEqual(extractTags("server.live", rules), {
    family: "server.live",
    labels: { env: "prod" },
  });
});
