/**
 * Every way in which bytes fail to be HTTP/1, as data. `status` is what a server answers before it
 * closes; a client reports every row as 502. `details` are Envoy's where Envoy has the case.
 * Source: RFC 9112 sections 2 to 7, RFC 9110 sections 5 and 8.6.
 */
import type { H1Error, H1ErrorRow } from "./types.ts";

const CODEC = "http1.codec_error";
const row = (status: number, details: string): H1ErrorRow => ({ status, details });

export const H1_ERRORS = {
  // Start lines.
  requestLineInvalid: row(400, CODEC),
  methodInvalid: row(400, CODEC),
  targetInvalid: row(400, CODEC),
  targetFormInvalid: row(400, "http1.invalid_url"),
  schemeInvalid: row(400, "http1.invalid_scheme"),
  fragmentInTarget: row(400, "path_normalization_failed"),
  versionInvalid: row(400, CODEC),
  versionUnsupported: row(505, CODEC),
  statusLineInvalid: row(400, CODEC),
  switchingUnasked: row(400, CODEC),
  // Header and trailer lines.
  lineEndInvalid: row(400, CODEC),
  lineFolded: row(400, CODEC),
  nameEmpty: row(400, CODEC),
  nameInvalid: row(400, CODEC),
  spaceBeforeColon: row(400, CODEC),
  valueInvalid: row(400, CODEC),
  // Sizes.
  headersTooLarge: row(431, "http1.headers_too_large"),
  targetTooLong: row(414, "http1.uri_too_long"),
  headersTooMany: row(431, "http1.too_many_headers"),
  trailersTooLarge: row(431, "http1.trailers_too_large"),
  trailersTooMany: row(431, "http1.too_many_trailers"),
  // Host.
  hostMissing: row(400, "missing_host_header"),
  hostRepeated: row(400, CODEC),
  hostInvalid: row(400, "http.invalid_authority"),
  // Framing.
  contentLengthInvalid: row(400, CODEC),
  contentLengthRepeated: row(400, CODEC),
  contentLengthNotAllowed: row(400, "http1.content_length_not_allowed"),
  contentLengthWithTransferEncoding: row(400, "http1.content_length_and_chunked_not_allowed"),
  transferEncodingInvalid: row(400, "http1.invalid_transfer_encoding"),
  transferEncodingUnsupported: row(501, "http1.invalid_transfer_encoding"),
  transferEncodingIn10: row(400, "http1.invalid_transfer_encoding"),
  transferEncodingNotAllowed: row(400, "http1.transfer_encoding_not_allowed"),
  bodyNotAllowed: row(400, "http1.body_disallowed"),
  // Chunks.
  chunkSizeInvalid: row(400, CODEC),
  chunkExtensionInvalid: row(400, CODEC),
  chunkLineTooLong: row(400, CODEC),
  chunkEndMissing: row(400, CODEC),
  // The connection ended inside a message.
  cutShort: row(400, CODEC),
} as const satisfies Record<string, H1ErrorRow>;

export type H1ErrorCode = keyof typeof H1_ERRORS;

const BY_CODE = new Map<H1ErrorCode, H1Error>(
  (Object.keys(H1_ERRORS) as H1ErrorCode[]).map((code) => [
    code,
    Object.freeze({ code, ...H1_ERRORS[code] }),
  ]),
);

/** The one frozen error object of `code`. */
export function h1Error(code: H1ErrorCode): H1Error {
  return BY_CODE.get(code) as H1Error;
}
