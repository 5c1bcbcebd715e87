/**
 * The quickstart's upstream: answers every request with JSON that tells what it received.
 * Alone: `node examples/quickstart/upstream.mjs [PORT]` (10001 when no port is given).
 */
import { createServer } from "node:http";
import process from "node:process";
import { pathToFileURL } from "node:url";

const HOST = "127.0.0.1";
const PORT_DEFAULT = 10001;

function answer(request, response) {
  const { method, url: path, headers } = request;
  const body = `${JSON.stringify({ method, path, headers }, null, 2)}\n`;
  response.writeHead(200, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
  });
  response.end(body);
  // What is left of the request's body is read and dropped, so that the connection can go on.
  request.resume();
}

/**
 * Listens on loopback.
 * @param {number} port - 0 picks a free one
 * @returns {Promise<() => Promise<void>>} closes the server and its connections; rejects when the
 *   port is taken
 */
export async function startUpstream(port) {
  const server = createServer(answer);
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, HOST, resolve);
  });
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
}

async function main() {
  const port = Number(process.argv[2] ?? PORT_DEFAULT);
  const close = await startUpstream(port);
  process.stdout.write(`upstream listens on http://${HOST}:${port}\n`);
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, close);
}

const started = process.argv[1];
if (started !== undefined && import.meta.url === pathToFileURL(started).href) await main();
