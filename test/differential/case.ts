/**
 * What a differential case is: filters with the programs they run, and a script of what a raw client
 * and a raw upstream do, in one order, so that a case plays the same way every time.
 */
import type { GuestAbi } from "./guest.ts";
import type { Pairs, Program } from "./program.ts";

export interface FilterPart {
  readonly program: Program;
  readonly abi?: GuestAbi;
  /** Plugins of a case with the same name here share one VM; without it each has its own. */
  readonly vm?: string;
  /** More fields of the PluginConfig message. */
  readonly plugin?: Readonly<Record<string, unknown>>;
  /** More fields of the VmConfig message. */
  readonly vmConfig?: Readonly<Record<string, unknown>>;
}

/** What one end of an HTTP/2 connection sends on a stream; `head` opens or answers it. */
export interface StreamPart {
  readonly head?: Pairs;
  readonly data?: string;
  /** They end the stream. */
  readonly trailers?: Pairs;
  readonly end?: true;
  /** The code of RST_STREAM. */
  readonly reset?: number;
}

/** One thing that the client or the upstream does or waits for. */
export type ScriptStep =
  /** The client sends latin1 text, on a connection that it opens with its first step. */
  | { readonly do: "send"; readonly text: string }
  /** The upstream sends latin1 text on the connection of the newest request. */
  | { readonly do: "answer"; readonly text: string }
  /** The same over HTTP/2, on the client's newest stream and on that of the newest request. */
  | { readonly do: "sendPart"; readonly part: StreamPart }
  | { readonly do: "answerPart"; readonly part: StreamPart }
  /** The client's newest stream is over; the upstream's. */
  | { readonly do: "streamOver" }
  | { readonly do: "upstreamStreamOver" }
  /** The client has its n-th final response, whole; n counts these steps. */
  | { readonly do: "response" }
  /** The client has the head of its next response. */
  | { readonly do: "responseHead" }
  /** The client has so many bytes of the newest response's body. */
  | { readonly do: "responseBody"; readonly bytes: number }
  /** The upstream has the head of its n-th request, the whole request, some of its body. */
  | { readonly do: "upstreamHead" }
  | { readonly do: "upstreamRequest" }
  | { readonly do: "upstreamBody"; readonly bytes: number }
  /** The proxy closed its connection to the client, to the upstream. */
  | { readonly do: "closed" }
  | { readonly do: "upstreamClosed" }
  /** Everything sent so far has been dealt with, whatever came of it. */
  | { readonly do: "quiet" }
  /** A plugin logged a line with this text. */
  | { readonly do: "logged"; readonly text: string }
  | { readonly do: "clientCloses" }
  | { readonly do: "clientResets" }
  | { readonly do: "clientEnds" }
  | { readonly do: "upstreamCloses" }
  | { readonly do: "upstreamResets" };

export const send = (text: string): ScriptStep => ({ do: "send", text });
export const answer = (text: string): ScriptStep => ({ do: "answer", text });
export const sendPart = (part: StreamPart): ScriptStep => ({ do: "sendPart", part });
export const answerPart = (part: StreamPart): ScriptStep => ({ do: "answerPart", part });
export const STREAM_OVER: ScriptStep = { do: "streamOver" };
export const UPSTREAM_STREAM_OVER: ScriptStep = { do: "upstreamStreamOver" };
export const RESPONSE: ScriptStep = { do: "response" };
export const RESPONSE_HEAD: ScriptStep = { do: "responseHead" };
export const responseBody = (bytes: number): ScriptStep => ({ do: "responseBody", bytes });
export const UPSTREAM_HEAD: ScriptStep = { do: "upstreamHead" };
export const UPSTREAM_REQUEST: ScriptStep = { do: "upstreamRequest" };
export const upstreamBody = (bytes: number): ScriptStep => ({ do: "upstreamBody", bytes });
export const CLOSED: ScriptStep = { do: "closed" };
export const UPSTREAM_CLOSED: ScriptStep = { do: "upstreamClosed" };
export const QUIET: ScriptStep = { do: "quiet" };
export const logged = (text: string): ScriptStep => ({ do: "logged", text });
export const CLIENT_CLOSES: ScriptStep = { do: "clientCloses" };
export const CLIENT_RESETS: ScriptStep = { do: "clientResets" };
export const CLIENT_ENDS: ScriptStep = { do: "clientEnds" };
export const UPSTREAM_CLOSES: ScriptStep = { do: "upstreamCloses" };
export const UPSTREAM_RESETS: ScriptStep = { do: "upstreamResets" };

export interface DifferentialCase {
  /** Unique; lower-case words joined by "-". */
  readonly name: string;
  readonly shows: string;
  readonly filters: readonly FilterPart[];
  readonly script: readonly ScriptStep[];
  /** More fields of the HttpConnectionManager, Route, and Listener messages. */
  readonly hcm?: Readonly<Record<string, unknown>>;
  readonly route?: Readonly<Record<string, unknown>>;
  readonly listener?: Readonly<Record<string, unknown>>;
  /** The filters are network filters in front of the TCP proxy. */
  readonly isTcp?: true;
  /** Whether the proxy keeps its connection to the upstream is part of the case. */
  readonly watchesUpstream?: true;
}

export interface CaseGroup {
  /** Name of the golden file. */
  readonly name: string;
  readonly cases: readonly DifferentialCase[];
}

/** The usual request and answer. */
export const GET = "GET /path?q=1 HTTP/1.1\r\nhost: case.test\r\n\r\n";
export const HELLO = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

export function post(body: string, extra = ""): string {
  const head = `POST /path HTTP/1.1\r\nhost: case.test\r\ncontent-length: ${body.length}\r\n`;
  return `${head}${extra}\r\n${body}`;
}

export const CHUNKED_POST =
  "POST /path HTTP/1.1\r\nhost: case.test\r\ntransfer-encoding: chunked\r\n\r\n";
export const CHUNKED_OK = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
export const LAST_CHUNK = "0\r\n\r\n";
export const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;

/** A request that the upstream gets and answers. */
export function exchange(request = GET, reply = HELLO): readonly ScriptStep[] {
  return [send(request), UPSTREAM_REQUEST, answer(reply), RESPONSE];
}

/** A request that the proxy answers by itself. */
export const localReply = (request = GET): readonly ScriptStep[] => [send(request), RESPONSE];

/** Parts that are sent one after another, each dealt with before the next. */
export function inParts(parts: readonly string[]): readonly ScriptStep[] {
  return parts.flatMap((part) => [send(part), QUIET]);
}

/** As {@link inParts}, by the upstream. */
export function answerInParts(parts: readonly string[]): readonly ScriptStep[] {
  return parts.flatMap((part) => [answer(part), QUIET]);
}

export type CaseRest = Partial<Omit<DifferentialCase, "name" | "shows" | "filters">> &
  Omit<FilterPart, "program">;

/** A case with one filter; its script is one exchange unless it says otherwise. */
export function single(
  name: string,
  shows: string,
  program: Program,
  rest: CaseRest = {},
): DifferentialCase {
  const { abi, vm, plugin, vmConfig, ...more } = rest;
  const filter: FilterPart = {
    program,
    ...(abi === undefined ? {} : { abi }),
    ...(vm === undefined ? {} : { vm }),
    ...(plugin === undefined ? {} : { plugin }),
    ...(vmConfig === undefined ? {} : { vmConfig }),
  };
  return { name, shows, filters: [filter], script: exchange(), ...more };
}
