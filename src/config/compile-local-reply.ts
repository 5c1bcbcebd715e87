/** `local_reply_config`: how replies that Granary makes itself are rewritten. */
import type { SubstitutionFormatString } from "../gen/envoy/config/core/v3/substitution_format_string_pb.ts";
import type {
  LocalReplyConfig as LocalReplyMessage,
  ResponseMapper,
} from "../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { substitutionFormat } from "./compile-access-log.ts";
import { headerToAdd } from "./compile-headers.ts";
import { compileLogFilter } from "./compile-log-filter.ts";
import { readSource } from "./compile-source.ts";
import type { Place } from "./place.ts";
import { wireText } from "./place.ts";
import type { LocalReplyConfig, LocalReplyFormatConfig, LocalReplyMapperConfig } from "./types.ts";

export function compileLocalReply(
  message: LocalReplyMessage | undefined,
  place: Place,
): LocalReplyConfig | null {
  if (message === undefined) return null;
  const at = place.child("mappers");
  return {
    mappers: message.mappers.map((mapper, i) => compileMapper(mapper, at.item(i))),
    bodyFormat: compileBodyFormat(message.bodyFormat, place.child("body_format")),
  };
}

function compileMapper(message: ResponseMapper, place: Place): LocalReplyMapperConfig {
  const { body, filter } = message;
  const read = body === undefined ? null : readSource(body, place.child("body"));
  const headers = place.child("headers_to_add");
  return {
    filter:
      filter === undefined
        ? { kind: "and", filters: [] }
        : compileLogFilter(filter, place.child("filter")),
    status: message.statusCode ?? null,
    body: read?.bytes ?? null,
    bodyFormat: compileBodyFormat(message.bodyFormatOverride, place.child("body_format_override")),
    headersToAdd: message.headersToAdd.map((option, i) => headerToAdd(option, headers.item(i))),
  };
}

function compileBodyFormat(
  message: SubstitutionFormatString | undefined,
  place: Place,
): LocalReplyFormatConfig | null {
  if (message === undefined) return null;
  const made = substitutionFormat(message, place);
  const given = wireText(message.contentType);
  const usual = made.format.kind === "json" ? "application/json" : "text/plain";
  return { ...made, contentType: given === "" ? usual : given };
}
