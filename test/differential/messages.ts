/**
 * Reads HTTP/1 messages from all the text that a connection gave, for recordings. Deliberately
 * simple and independent of the parser under test: it believes the framing it is told.
 */
export interface Message {
  /** Lines of the head as they came. */
  readonly head: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
  readonly isComplete: boolean;
  /** The code with which the sender reset the stream. */
  readonly reset?: number;
}

export interface Reading {
  readonly isClosed: boolean;
  /** Methods of the requests, for responses; null reads requests. */
  readonly methods: readonly string[] | null;
}

interface Body {
  readonly body: string;
  readonly trailers: readonly string[];
  readonly isComplete: boolean;
  readonly end: number;
}

const fieldOf = (head: readonly string[], name: string): string | null =>
  head
    .find((line) => line.toLowerCase().startsWith(`${name}:`))
    ?.slice(name.length + 1)
    .trim() ?? null;

/** Whether a response is an interim one. */
export const isInterim = (message: Message): boolean =>
  /^HTTP\/\S+ 1(?!01)/.test(message.head[0] ?? "");

/** Every message in `text`; the last may be incomplete. */
export function readMessages(text: string, reading: Reading): Message[] {
  const messages: Message[] = [];
  let at = 0;
  let finals = 0;
  while (at < text.length) {
    const headEnd = text.indexOf("\r\n\r\n", at);
    if (headEnd < 0) {
      const head = text.slice(at).split("\r\n");
      messages.push({ head, body: "", trailers: [], isComplete: false });
      break;
    }
    const head = text.slice(at, headEnd).split("\r\n");
    const method = reading.methods?.[finals] ?? null;
    const { end, ...rest } = readBody({ text, at: headEnd + 4, head, method, reading });
    const message = { head, ...rest };
    messages.push(message);
    if (!isInterim(message)) finals++;
    if (!message.isComplete) break;
    at = end;
  }
  return messages;
}

interface BodyAt {
  readonly text: string;
  readonly at: number;
  readonly head: readonly string[];
  readonly method: string | null;
  readonly reading: Reading;
}

function readBody({ text, at, head, method, reading }: BodyAt): Body {
  const nothing = { body: "", trailers: [], isComplete: true, end: at };
  const isResponse = reading.methods !== null;
  const status = Number(head[0]?.split(" ")[1]);
  const isBare = method === "HEAD" || status === 204 || status === 304 || status < 200;
  if (isResponse && isBare) return nothing;
  if ((fieldOf(head, "transfer-encoding") ?? "").includes("chunked")) return readChunks(text, at);
  const length = fieldOf(head, "content-length");
  if (length === null) {
    if (!isResponse) return nothing;
    const body = text.slice(at);
    return { body, trailers: [], isComplete: reading.isClosed, end: text.length };
  }
  const body = text.slice(at, at + Number(length));
  return { body, trailers: [], isComplete: body.length === Number(length), end: at + body.length };
}

function readChunks(text: string, from: number): Body {
  let at = from;
  let body = "";
  for (;;) {
    const lineEnd = text.indexOf("\r\n", at);
    if (lineEnd < 0) return { body, trailers: [], isComplete: false, end: text.length };
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    at = lineEnd + 2;
    if (size === 0) break;
    body += text.slice(at, at + size);
    at += size + 2;
  }
  const end = text.indexOf("\r\n\r\n", at - 2);
  const trailers = text
    .slice(at, Math.max(at, end))
    .split("\r\n")
    .filter((line) => line !== "");
  return { body, trailers, isComplete: end >= 0, end: end < 0 ? text.length : end + 4 };
}
