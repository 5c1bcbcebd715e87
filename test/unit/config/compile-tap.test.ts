/** The HTTP tap filter: what is taken, and what is refused by name. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { TapFilterConfig } from "../../../src/config/types.ts";
import type { Holes } from "./bootstrap-text.ts";
import { hcm } from "./good-config.ts";
import { type Row, runRows } from "./problem-rows.ts";

const TAP = "type.googleapis.com/envoy.extensions.filters.http.tap.v3.Tap";
const FILE = "{file_per_tap: {path_prefix: /tmp/x}}";

interface Fields {
  /** Of the static configuration. */
  readonly match?: string;
  readonly sink?: string;
  readonly output?: string;
  readonly more?: string;
  /** In place of the static configuration. */
  readonly common?: string;
}

function tap({ match, sink, output, more, common }: Fields): Holes {
  const lines = [
    `static_config:`,
    `  match: ${match ?? "{any_match: true}"}`,
    `  output_config:`,
    `    sinks:\n          - ${sink ?? FILE}`,
    ...(output === undefined ? [] : [`    ${output}`]),
  ];
  const config = common ?? lines.join("\n      ");
  return {
    filters: `- name: t\n  typed_config:\n    "@type": ${TAP}\n    common_config:\n      ${config}${more ? `\n    ${more}` : ""}`,
  };
}

function compiled(fields: Fields): TapFilterConfig {
  const [filter] = hcm(tap(fields)).httpFilters;
  assert.equal(filter?.kind, "tap");
  return filter as TapFilterConfig;
}

describe("a tap", () => {
  test("keeps 1 KiB of each body as base64 where nothing else is said", () => {
    assert.deepEqual(compiled({}), {
      kind: "tap",
      name: "t",
      match: { kind: "any" },
      format: "jsonBytes",
      pathPrefix: "/tmp/x",
      requestBytesMax: 1_024,
      responseBytesMax: 1_024,
      recordsTimes: false,
      recordsConnection: false,
    });
  });

  test("takes formats, sizes and rules over headers and trailers", () => {
    const header = "{headers: [{name: X-A, present_match: true}]}";
    const filter = compiled({
      match: `{or_match: {rules: [{not_match: {http_request_headers_match: ${header}}}, {and_match: {rules: [{http_response_headers_match: ${header}}, {http_response_trailers_match: ${header}}]}}]}}`,
      sink: "{format: PROTO_BINARY_LENGTH_DELIMITED, file_per_tap: {path_prefix: /tmp/x}}",
      output: "max_buffered_rx_bytes: 0",
      more: "record_downstream_connection: true",
    });
    assert.deepEqual(
      [filter.format, filter.requestBytesMax, filter.responseBytesMax, filter.recordsConnection],
      ["delimited", 0, 1_024, true],
    );
    const { match } = filter;
    assert.equal(match.kind, "or");
    const [not, and] = match.kind === "or" ? match.rules : [];
    assert.equal(
      not?.kind === "not" && not.rule.kind === "headers" && not.rule.part,
      "requestHeaders",
    );
    assert.deepEqual(
      and?.kind === "and" && and.rules.map((rule) => rule.kind === "headers" && rule.part),
      ["responseHeaders", "responseTrailers"],
    );
  });
});

const ROWS: readonly Row[] = [
  [
    "a tap that the admin interface configures",
    tap({ common: "admin_config: {config_id: a} # <<" }),
    "admin_config",
    "not implemented",
  ],
  ["a tap that streams", tap({ output: "streaming: true # <<" }), "streaming", "not implemented"],
  [
    "a tap of a share of the requests",
    tap({
      output: "max_buffered_tx_bytes: 1\n        tap_enabled: {default_value: {numerator: 1}} # <<",
    }),
    "tap_enabled",
    "not implemented",
  ],
  [
    "a rule over bodies",
    tap({
      match: "{http_request_generic_body_match: {patterns: [{string_match: a}]}} # <<",
    }),
    "http_request_generic_body_match",
    "not implemented",
  ],
  [
    "the old name of match",
    tap({
      common: `static_config: {match_config: {any_match: true}, output_config: {sinks: [${FILE}]}} # <<`,
    }),
    "match_config",
    "not implemented",
  ],
  [
    "a tap without a rule",
    tap({ common: `static_config: {output_config: {sinks: [${FILE}]}} # <<` }),
    "static_config",
    "match is required",
  ],
  [
    "a sink for the admin interface",
    tap({ sink: "{streaming_admin: {}} # <<" }),
    "streaming_admin",
    "not implemented",
  ],
  [
    "a tap without a sink",
    tap({ common: "static_config: {match: {any_match: true}, output_config: {sinks: []}} # <<" }),
    "sinks",
    "",
  ],
  [
    "a prefix of no characters",
    tap({ sink: '{file_per_tap: {path_prefix: ""}} # <<' }),
    "path_prefix",
    "empty",
  ],
];

describe("a problem of taps is named", () => runRows(ROWS));
