/**
 * Reads one response from everything a connection gave. Deliberately simple and independent of the
 * parser under test: it believes the framing it is told and keeps everything as latin1 text.
 */
export interface RawResponse {
  /** 0 when there is no head. */
  readonly status: number;
  /** Names lower-case, in the order of the wire. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  readonly trailers: readonly (readonly [string, string])[];
  /** Whether the body came whole by its framing. */
  readonly isComplete: boolean;
}

function fieldsOf(lines: readonly string[]): (readonly [string, string])[] {
  return lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
}

/** All values of a field, in order. */
export function valuesOf(fields: RawResponse["headers"], name: string): string[] {
  return fields.filter(([key]) => key === name).map(([, value]) => value);
}

/** @param method of the request: what follows HEAD has no body */
export function parseResponse(text: string, method: string): RawResponse {
  const end = text.indexOf("\r\n\r\n");
  const nothing = { status: 0, headers: [], body: "", trailers: [], isComplete: false };
  if (end < 0) return nothing;
  const [first = "", ...lines] = text.slice(0, end).split("\r\n");
  const status = Number(first.split(" ")[1]);
  const headers = fieldsOf(lines);
  const rest = text.slice(end + 4);
  if (method === "HEAD" || status === 204 || status === 304) {
    return { status, headers, body: rest, trailers: [], isComplete: true };
  }
  if (valuesOf(headers, "transfer-encoding").includes("chunked")) {
    return { status, headers, ...readChunks(rest) };
  }
  const [length] = valuesOf(headers, "content-length");
  const isComplete = length === undefined || rest.length === Number(length);
  return { status, headers, body: rest, trailers: [], isComplete };
}

function readChunks(text: string): Pick<RawResponse, "body" | "trailers" | "isComplete"> {
  let body = "";
  let at = 0;
  for (;;) {
    const lineEnd = text.indexOf("\r\n", at);
    if (lineEnd < 0) return { body, trailers: [], isComplete: false };
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    at = lineEnd + 2;
    if (size === 0) break;
    body += text.slice(at, at + size);
    at += size + 2;
  }
  const end = text.indexOf("\r\n\r\n", at - 2);
  const lines = text.slice(at, Math.max(at, end)).split("\r\n");
  const trailers = fieldsOf(lines.filter((line) => line !== ""));
  return { body, trailers, isComplete: end >= 0 };
}
