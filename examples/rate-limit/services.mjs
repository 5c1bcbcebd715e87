/** The upstream, and a rate-limit service that speaks gRPC on HTTP/2. */
import { createServer } from "node:http2";
import { listen, together, upstream } from "../services.mjs";

const PATH = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";
const OK = 1;
const OVER_LIMIT = 2;

/** One message: a flag byte, its length, `RateLimitResponse { overall_code: 1 }`. */
function frame(code) {
  return Buffer.from([0, 0, 0, 0, 2, 0x08, code]);
}

/** Says no to the key `blocked`, wherever it stands in the request. */
function shouldRateLimit(stream, headers) {
  const chunks = [];
  stream.on("error", () => undefined);
  stream.on("data", (chunk) => chunks.push(chunk));
  stream.on("end", () => {
    if (headers[":path"] !== PATH) {
      stream.respond({ ":status": 404 }, { endStream: true });
      return;
    }
    const isBlocked = Buffer.concat(chunks).includes("blocked");
    stream.respond(
      { ":status": 200, "content-type": "application/grpc" },
      { waitForTrailers: true },
    );
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(frame(isBlocked ? OVER_LIMIT : OK));
  });
}

export async function startServices(ports = { upstream: 10001, ratelimit: 10002 }) {
  const server = createServer();
  server.on("stream", shouldRateLimit);
  return together({
    upstream: await listen(upstream(["x-ratelimit-remaining"]), ports.upstream),
    ratelimit: await listen(server, ports.ratelimit),
  });
}
