/** The upstream and the authorization service that the proxy asks. */
import { createServer } from "node:http";
import { listen, together, upstream } from "../services.mjs";

const USERS = { "Bearer alice-token": "alice", "Bearer bob-token": "bob" };

/** Knows two users. Under `/busy` it is too busy the first two times, under `/down` always. */
function authorization() {
  let asked = 0;
  return createServer((request, response) => {
    const path = request.headers["x-original-path"] ?? "";
    const user = USERS[request.headers.authorization ?? ""];
    asked++;
    const isBusy = path.startsWith("/down") || (path.startsWith("/busy") && asked % 3 !== 0);
    if (isBusy) response.writeHead(503).end();
    else if (user === undefined) response.writeHead(401).end("who are you?\n");
    else response.writeHead(200, { "x-user": user }).end();
    if (!path.startsWith("/busy")) asked = 0;
  });
}

export async function startServices(ports = { upstream: 10001, auth: 10002 }) {
  return together({
    upstream: await listen(upstream(["x-user", "x-attempts"]), ports.upstream),
    auth: await listen(authorization(), ports.auth),
  });
}
