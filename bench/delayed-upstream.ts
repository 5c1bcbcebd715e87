/**
 * A service that answers everything after a while, for benchmarks that hold many calls at once: a
 * process of its own, `node delayed-upstream.js PORT DELAY_MS http1|http2`, that tells by IPC how
 * many it held at most since it was asked last. Answers leave in steps of a few milliseconds.
 */
import { createServer as createHttp2Server, type ServerHttp2Stream } from "node:http2";
import { createServer, type Socket } from "node:net";
import { performance } from "node:perf_hooks";

const STEP_MS = 5;
const ANSWER = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const END = "\r\n\r\n";

interface Held {
  readonly dueMs: number;
  readonly peer: Socket | ServerHttp2Stream;
}

const [port = 0, delayMs = 0] = process.argv.slice(2, 4).map(Number);
const protocol = process.argv[4];
/** In the order of their ends: all wait equally long. */
let held: Held[] = [];
let most = 0;

function hold(peer: Held["peer"]): void {
  held.push({ dueMs: performance.now() + delayMs, peer });
  most = Math.max(most, held.length);
}

function answer(peer: Held["peer"]): void {
  if (peer.destroyed) return;
  if (!("respond" in peer)) peer.write(ANSWER, "latin1");
  else {
    peer.respond({ ":status": 200 });
    peer.end("ok");
  }
}

setInterval(() => {
  const now = performance.now();
  let count = 0;
  while (count < held.length && (held[count]?.dueMs ?? now) <= now) count++;
  for (const { peer } of held.slice(0, count)) answer(peer);
  held = held.slice(count);
}, STEP_MS);

process.on("message", () => {
  process.send?.(most);
  most = held.length;
});
process.once("disconnect", () => process.exit(0));

if (protocol === "http2") {
  const settings = { maxConcurrentStreams: 50_000 };
  const server = createHttp2Server({ settings, maxSessionMemory: 1_000 });
  server.on("stream", (stream) => {
    stream.on("error", () => undefined);
    hold(stream);
  });
  server.on("sessionError", () => undefined).listen(port, "127.0.0.1");
} else {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => undefined);
    socket.setEncoding("latin1").on("data", (text: string) => {
      for (let at = text.indexOf(END); at >= 0; at = text.indexOf(END, at + 1)) hold(socket);
    });
  });
  server.listen({ port, host: "127.0.0.1", backlog: 4_096 });
}
