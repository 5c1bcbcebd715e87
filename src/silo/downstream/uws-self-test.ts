/**
 * Does the installed uWS frame HTTP/1.1 messages as the RFC says, in the cases that the guard
 * cannot see? Run once before serving, against an app of its own on loopback. Thread: a worker of
 * its own.
 */
import { connect } from "node:net";
import type { Clock } from "../../base/clock.ts";
import type { UwsApp, UwsLibrary, UwsRequest, UwsResponseHandle } from "./uws-library.ts";

/** Between two segments, so that they are read apart; the event loop polls meanwhile, too. */
const SEGMENT_GAP_MS = 20;
/** The app answers that late, so that what follows a request arrives before its answer. */
const ANSWER_DELAY_MS = 30;
/**
 * How long a case may take: in ticks, not in time. Each one comes after a poll of this thread,
 * which is client and server, so that a busy machine does not make a good build look faulty.
 */
const CASE_TICKS = 25;
const TICK_MS = 20;

export interface FramingCase {
  readonly name: string;
  /** Latin1; written one by one. */
  readonly segments: readonly string[];
  /** Bodies of the 200 answers, in order; null: the bytes are malformed and must be refused. */
  readonly answers: readonly string[] | null;
}

const HOST = "host: a\r\n";
const CHUNKED = `POST /c HTTP/1.1\r\n${HOST}transfer-encoding: chunked\r\n\r\n`;

/** The app answers every request with `<path>:<body>;`. */
export const FRAMING_CASES: readonly FramingCase[] = [
  {
    name: "a request line in two segments",
    segments: ["GET /split", `line HTTP/1.1\r\n${HOST}\r\n`],
    answers: ["/splitline:;"],
  },
  {
    name: "a request line cut behind the method",
    segments: ["GET ", `/cut HTTP/1.1\r\n${HOST}\r\n`],
    answers: ["/cut:;"],
  },
  {
    name: "pipelined requests answered late",
    segments: [`GET /1 HTTP/1.1\r\n${HOST}\r\nGET /2 HTTP/1.1\r\n${HOST}\r\n`],
    answers: ["/1:;", "/2:;"],
  },
  {
    name: "a chunked body",
    segments: [`${CHUNKED}3\r\nabc\r\n`, "2\r\nde\r\n0\r\n\r\n"],
    answers: ["/c:abcde;"],
  },
  {
    name: "a chunk extension",
    segments: [`${CHUNKED}3;a=b\r\nabc\r\n0\r\n\r\n`],
    answers: ["/c:abc;"],
  },
  {
    name: "request trailers",
    segments: [`${CHUNKED}3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n`],
    answers: ["/c:abc;"],
  },
  {
    name: "a chunk without its line end",
    segments: [`${CHUNKED}3\r\nabcXX0\r\n\r\n`],
    answers: null,
  },
  {
    name: "a blank before a colon",
    segments: [`GET / HTTP/1.1\r\n${HOST}x : y\r\n\r\n`],
    answers: null,
  },
];

/** @returns the names of the cases that the library fails. */
export async function runSelfTest(library: UwsLibrary, clock: Clock): Promise<readonly string[]> {
  const app = library.App();
  app.any("/*", (handle, request) => echo(handle, request, clock));
  const port = await listen(library, app);
  const passed = await Promise.all(FRAMING_CASES.map((each) => runCase(each, port, clock)));
  app.close();
  return FRAMING_CASES.filter((_, index) => passed[index] === false).map(({ name }) => name);
}

function listen(library: UwsLibrary, app: UwsApp): Promise<number> {
  return new Promise((resolve, reject) => {
    app.listen("127.0.0.1", 0, (listening) => {
      if (listening === false) reject(new Error("uWS cannot listen on loopback"));
      else resolve(library.us_socket_local_port(listening));
    });
  });
}

function echo(handle: UwsResponseHandle, request: UwsRequest, clock: Clock): void {
  const path = request.getUrl();
  let body = "";
  let alive = true;
  handle.onAborted(() => {
    alive = false;
  });
  handle.onData((bytes, isLast) => {
    body += Buffer.from(bytes).toString("latin1");
    if (!isLast) return;
    clock.after(ANSWER_DELAY_MS, () => {
      if (!alive) return;
      alive = false;
      handle.cork(() => handle.end(`${path}:${body};`));
    });
  });
}

/** Runs `late` after CASE_TICKS turns of the loop. @returns what ends the wait. */
function afterTicks(clock: Clock, late: () => void): () => void {
  let ticks = 0;
  const tick = (): void => {
    ticks++;
    if (ticks === CASE_TICKS) late();
    else timer = clock.after(TICK_MS, tick);
  };
  let timer = clock.after(TICK_MS, tick);
  return () => timer.cancel();
}

/** Plays one case; settles as soon as the verdict is certain, in CASE_TICKS at the latest. */
function runCase(each: FramingCase, port: number, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    let received = "";
    const settle = (passed: boolean): void => {
      cancel();
      socket.destroy();
      resolve(passed);
    };
    const cancel = afterTicks(clock, () => settle(false));
    socket.on("error", () => settle(each.answers === null));
    socket.on("close", () => settle(verdictOf(each, received) ?? each.answers === null));
    socket.setEncoding("latin1").on("data", (text: string) => {
      received += text;
      const verdict = verdictOf(each, received);
      if (verdict !== null) settle(verdict);
    });
    socket.once("connect", () => sendFrom(0));
    const sendFrom = (index: number): void => {
      const segment = each.segments[index];
      if (segment === undefined) return;
      socket.write(segment, "latin1");
      // Behind the timers of this turn the loop polls: the segment is read before the next goes out.
      clock.after(SEGMENT_GAP_MS, () => setImmediate(sendFrom, index + 1));
    };
  });
}

/** Null while more must arrive. Shorter than expected is judged by the end of the connection. */
export function verdictOf({ answers }: FramingCase, received: string): boolean | null {
  const accepted = received.includes("HTTP/1.1 200 ");
  if (answers === null) {
    if (accepted) return false;
    return /^HTTP\/1\.1 [45]\d\d /.test(received) ? true : null;
  }
  if (/HTTP\/1\.1 [^2]/.test(received)) return false;
  const bodies = received.match(/\/[a-z0-9]*:[^;]*;/g) ?? [];
  if (bodies.length < answers.length) return null;
  return bodies.join() === answers.join();
}
