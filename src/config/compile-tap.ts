/**
 * The HTTP tap filter with a static configuration: which streams it writes, to which files. Source:
 * envoy.extensions.filters.http.tap.v3.
 */
import type { MatchPredicate } from "../gen/envoy/config/common/matcher/v3/matcher_pb.ts";
import { OutputSink_Format as Format } from "../gen/envoy/config/tap/v3/common_pb.ts";
import type { Tap } from "../gen/envoy/extensions/filters/http/tap/v3/tap_pb.ts";
import { compileHeaderMatch } from "./compile-match.ts";
import type { Place } from "./place.ts";
import type { TapFilterConfig, TapFormat, TapMatchConfig, TapPart } from "./types.ts";

/** Envoy's default. */
const BODY_BYTES_MAX_DEFAULT = 1_024;
const FORMATS: Readonly<Record<number, TapFormat>> = {
  [Format.JSON_BODY_AS_BYTES]: "jsonBytes",
  [Format.JSON_BODY_AS_STRING]: "jsonString",
  [Format.PROTO_BINARY]: "binary",
  [Format.PROTO_BINARY_LENGTH_DELIMITED]: "delimited",
  [Format.PROTO_TEXT]: "text",
};
/** Field names by the case of the oneof. */
const HEADERS_MATCH = {
  httpRequestHeadersMatch: ["http_request_headers_match", "requestHeaders"],
  httpRequestTrailersMatch: ["http_request_trailers_match", "requestTrailers"],
  httpResponseHeadersMatch: ["http_response_headers_match", "responseHeaders"],
  httpResponseTrailersMatch: ["http_response_trailers_match", "responseTrailers"],
} as const satisfies Record<string, readonly [string, TapPart]>;

/** `place` is that of the typed_config. Null after a problem has been reported. */
export function compileTap(message: Tap, name: string, place: Place): TapFilterConfig | null {
  const configType = message.commonConfig?.configType;
  if (configType?.case !== "staticConfig") return null;
  const { match, matchConfig, outputConfig } = configType.value;
  const at = place.child("common_config").child("static_config");
  if (match === undefined) {
    const hint = "write match: {any_match: true}";
    // The old name is reported as not implemented.
    if (matchConfig === undefined) at.problem("match is required", hint);
    return null;
  }
  const sink = outputConfig?.sinks[0];
  const file = sink?.outputSinkType;
  if (outputConfig === undefined || file?.case !== "filePerTap") return null;
  return {
    kind: "tap",
    name,
    match: compileMatch(match, at.child("match")),
    format: FORMATS[sink?.format ?? 0] ?? "jsonBytes",
    pathPrefix: file.value.pathPrefix,
    requestBytesMax: outputConfig.maxBufferedRxBytes ?? BODY_BYTES_MAX_DEFAULT,
    responseBytesMax: outputConfig.maxBufferedTxBytes ?? BODY_BYTES_MAX_DEFAULT,
    recordsTimes: message.recordHeadersReceivedTime,
    recordsConnection: message.recordDownstreamConnection,
  };
}

/** A rule that is not implemented has been reported, and matches everything. */
function compileMatch({ rule }: MatchPredicate, place: Place): TapMatchConfig {
  switch (rule.case) {
    case "orMatch":
    case "andMatch": {
      const kind = rule.case === "orMatch" ? "or" : "and";
      const at = place.child(`${kind}_match`).child("rules");
      const rules = rule.value.rules.map((each, i) => compileMatch(each, at.item(i)));
      return { kind, rules };
    }
    case "notMatch":
      return { kind: "not", rule: compileMatch(rule.value, place.child("not_match")) };
    case "httpRequestHeadersMatch":
    case "httpRequestTrailersMatch":
    case "httpResponseHeadersMatch":
    case "httpResponseTrailersMatch": {
      const [field, part] = HEADERS_MATCH[rule.case];
      const at = place.child(field).child("headers");
      const headers = rule.value.headers.map((each, i) => compileHeaderMatch(each, at.item(i)));
      return { kind: "headers", part, headers };
    }
    default:
      return { kind: "any" };
  }
}
