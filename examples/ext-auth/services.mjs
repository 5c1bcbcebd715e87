/** The upstream and the authorization service that the proxy asks. */
import { createServer } from "node:http";
import { listen, together, upstream } from "../services.mjs";

const USERS = { "Bearer alice-token": "alice", "Bearer bob-token": "bob" };

/** Knows two users; `/slow` takes longer than the filter waits. */
function authorize(request, response) {
  const path = request.headers["x-original-path"] ?? "";
  const user = USERS[request.headers.authorization ?? ""];
  if (path.startsWith("/slow")) return;
  if (user === undefined) response.writeHead(401).end("who are you?\n");
  else if (path.startsWith("/admin") && user !== "alice") {
    response.writeHead(403).end(`${user} is no administrator\n`);
  } else response.writeHead(200, { "x-user": user }).end();
}

export async function startServices(ports = { upstream: 10001, auth: 10002 }) {
  return together({
    upstream: await listen(upstream(["x-user", "x-auth"]), ports.upstream),
    auth: await listen(createServer(authorize), ports.auth),
  });
}
