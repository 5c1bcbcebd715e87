/**
 * Bytes that are no acceptable response, with the error they must give. `$` stands for CR LF.
 */
import type { H1ErrorCode } from "../../../../src/http/h1/errors.ts";

const ok = (fields: string, body = ""): string => `HTTP/1.1 200 OK$${fields}$${body}`;
const chunked = (body: string): string => ok("Transfer-Encoding: chunked$", body);

export const MALFORMED_RESPONSES: readonly (readonly [bytes: string, code: H1ErrorCode])[] = [
  // Status line.
  ["$HTTP/1.1 200 OK$$", "statusLineInvalid"],
  ["HTTP/1.1200 OK$$", "statusLineInvalid"],
  ["HTTP/1.1  200 OK$$", "statusLineInvalid"],
  ["HTTP/1.1 20 OK$$", "statusLineInvalid"],
  ["HTTP/1.1 2000 OK$$", "statusLineInvalid"],
  ["HTTP/1.1 2x0 OK$$", "statusLineInvalid"],
  ["HTTP/1.1 099 Low$$", "statusLineInvalid"],
  ["HTTP/1.1 600 High$$", "statusLineInvalid"],
  ["HTTP/1.1 999 High$$", "statusLineInvalid"],
  ["HTTP/1.1 200\tOK$$", "statusLineInvalid"],
  ["HTTP/1.1 200 OK\n$$", "statusLineInvalid"],
  ["HTTP/1.1 200 O\0K$$", "statusLineInvalid"],
  ["HTTP/1.1 200 OK\rX$$", "lineEndInvalid"],
  ["HTTP/2.0 200 OK$$", "versionInvalid"],
  ["HTTP/1.2 200 OK$$", "versionInvalid"],
  ["ICY 200 OK$$", "statusLineInvalid"],
  ["http/1.1 200 OK$$", "statusLineInvalid"],
  ["hello", "statusLineInvalid"],
  ["HTTP/1.1 101 Switching Protocols$Upgrade: x$Connection: upgrade$$", "switchingUnasked"],
  // Field lines.
  [ok("A : b$"), "spaceBeforeColon"],
  [ok(": b$"), "nameEmpty"],
  [ok("A: b$ c$"), "lineFolded"],
  [ok("A: b\nC: d$"), "lineEndInvalid"],
  [ok("A: b\rC: d$"), "lineEndInvalid"],
  [ok("A: \0$"), "valueInvalid"],
  [ok("A\0: b$"), "nameInvalid"],
  [ok("A: b$".repeat(101)), "headersTooMany"],
  [ok(`A: ${"b".repeat(70_000)}$`), "headersTooLarge"],
  [`HTTP/1.1 200 ${"x".repeat(70_000)}$$`, "headersTooLarge"],
  // Framing.
  [ok("Content-Length: 1$Content-Length: 2$", "ab"), "contentLengthRepeated"],
  [ok("Content-Length: 1$Content-Length: 1$", "a"), "contentLengthRepeated"],
  [ok("Content-Length: 1, 1$", "a"), "contentLengthInvalid"],
  [ok("Content-Length: +1$", "a"), "contentLengthInvalid"],
  [ok("Content-Length: $"), "contentLengthInvalid"],
  [ok("Content-Length: 1180591620717411303424$"), "contentLengthInvalid"],
  [ok("Content-Length: 1$Transfer-Encoding: chunked$"), "contentLengthWithTransferEncoding"],
  [ok("Transfer-Encoding: gzip$"), "transferEncodingInvalid"],
  [ok("Transfer-Encoding: gzip, chunked$"), "transferEncodingUnsupported"],
  ["HTTP/1.0 200 OK$Transfer-Encoding: chunked$$", "transferEncodingIn10"],
  ["HTTP/1.1 204 No$Transfer-Encoding: chunked$$", "transferEncodingNotAllowed"],
  ["HTTP/1.1 204 No$Content-Length: 3$$", "contentLengthNotAllowed"],
  ["HTTP/1.1 103 Hints$Content-Length: 3$$", "contentLengthNotAllowed"],
  ["HTTP/1.1 100 Go$Transfer-Encoding: chunked$$", "transferEncodingNotAllowed"],
  // Chunks.
  [chunked("g$"), "chunkSizeInvalid"],
  [chunked("1\na$"), "chunkSizeInvalid"],
  [chunked("1;;$a$0$$"), "chunkExtensionInvalid"],
  [chunked("1$ab$0$$"), "chunkEndMissing"],
  [chunked("0$A : b$$"), "spaceBeforeColon"],
];
