/** What the services of the examples have in common: servers on loopback, and the upstream. */
import { createServer } from "node:http";

const HOST = "127.0.0.1";

/**
 * Listens on loopback.
 * @param {import("node:http").Server | import("node:http2").Http2Server} server
 * @param {number} port 0 picks a free one
 * @returns {Promise<{port: number, close: () => Promise<void>}>}
 */
export async function listen(server, port) {
  const sockets = new Set();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, HOST, resolve);
  });
  const close = () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  return { port: server.address().port, close };
}

/** Answers with the request's line and those of its headers that `wanted` names. */
export function upstream(wanted) {
  return createServer((request, response) => {
    const lines = [`${request.method} ${request.url}`];
    for (const name of wanted) {
      const value = request.headers[name];
      if (value !== undefined) lines.push(`${name}: ${value}`);
    }
    response.end(`${lines.join("\n")}\n`);
    request.resume();
  });
}

/** Several listening services as one. */
export function together(services) {
  const entries = Object.entries(services);
  return {
    ports: Object.fromEntries(entries.map(([name, { port }]) => [name, port])),
    /** Ends one of them alone. */
    closeOne: (name) => services[name].close(),
    close: async () => {
      for (const [, service] of entries) await service.close();
    },
  };
}
