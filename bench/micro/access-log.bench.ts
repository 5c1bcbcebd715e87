/**
 * What an access-log line costs, in nanoseconds: formatted, formatted and put into the silo's ring,
 * and taken out by the writer for a file that keeps nothing. `node dist/bench/micro/access-log.bench.js`
 *
 * 2026-11-29, 2 vCPU with much other load, Node 20.20.2, best of 200 rounds of 500 lines, two runs:
 * | what                            | formatted     | and in the ring, and out | of it out   |
 * |---------------------------------|---------------|--------------------------|-------------|
 * | Envoy's default format          | 364 - 433 ns  | 1.1 - 1.3 us             | 190 - 220   |
 * | the same, formats interpreted   | 1.5 - 1.6 us  | 2.2 - 2.4 us             | 200         |
 * | JSON of ten fields              | 0.9 - 1.0 us  | 1.7 - 2.3 us             | 210 - 270   |
 * | the same, by JSON.stringify     | 4.1 - 4.2 us  | 4.7 - 4.9 us             | 250         |
 *
 * Conclusions: a line is a rope until it is copied into the ring; making it flat costs 300 ns of the
 * 700 beside the formatting. Writing each value into the ring for itself, or joining an array of
 * them, costs as much.
 */
import { parseFormat } from "../../src/config/format.ts";
import { DEFAULT_ACCESS_LOG_FORMAT } from "../../src/config/format-operators.ts";
import type { AccessLogConfig, ListenerConfig, TextOrJsonFormat } from "../../src/config/types.ts";
import { HeaderMap } from "../../src/http/header-map.ts";
import { LogRecords } from "../../src/main/log-records.ts";
import type { Counter } from "../../src/metrics/types.ts";
import { createBell } from "../../src/shm/bell-layout.ts";
import { RingSet } from "../../src/shm/ring.ts";
import { createRing } from "../../src/shm/ring-layout.ts";
import { AccessLogs } from "../../src/silo/access-log.ts";
import { compileWhole } from "../../src/silo/format-line.ts";
import { LogRing } from "../../src/silo/log-ring.ts";
import { LogSinks } from "../../src/silo/log-sinks.ts";
import { StreamInfo } from "../../src/silo/stream-info.ts";
import { measure } from "./measure.ts";

/** Few, so that the best round is undisturbed. */
const LINES = 500;
const ROUNDS = 200;

function streamInfo(): StreamInfo {
  const ends = { directIp: "127.0.0.1", directPort: 40_000, localIp: "127.0.0.1", localPort: 80 };
  const client = { id: 7, remoteIp: "127.0.0.1", remotePort: 40_000, ...ends, tls: null };
  const info = new StreamInfo({} as ListenerConfig, client, 1);
  info.startWallMs = Date.UTC(2026, 10, 29, 4, 30, 26, 123) + 0.4;
  info.startMs = 1_000.2;
  info.endMs = 1_001.9;
  info.requestHeaders = HeaderMap.of([
    [":authority", "127.0.0.1:8080"],
    [":path", "/index.html?q=1"],
    [":method", "GET"],
    [":scheme", "http"],
    ["user-agent", "wrk/4.1.0"],
    ["accept", "*/*"],
    ["x-forwarded-proto", "http"],
    ["x-request-id", "5e1b2f6a-6a51-4a3c-a7dc-2b1d0e9ab4ff"],
  ]);
  info.responseHeaders = HeaderMap.of([
    [":status", "200"],
    ["server", "nginx"],
    ["date", "Sun, 29 Nov 2026 04:30:26 GMT"],
    ["content-type", "text/html"],
    ["content-length", "100"],
    ["x-envoy-upstream-service-time", "1"],
  ]);
  info.responseCode = 200;
  info.responseBodyBytes = 100;
  info.upstreamLocalAddress = "127.0.0.1:5000";
  info.endpoint = { address: "127.0.0.1:9000", hostname: "" } as StreamInfo["endpoint"];
  return info;
}

const textOf = (format: string): TextOrJsonFormat => {
  const parsed = parseFormat(format);
  if ("error" in parsed) throw new Error(parsed.error);
  return { kind: "text", format: parsed.format };
};
const string = (format: string) => {
  const whole = textOf(format);
  return { kind: "string", format: whole.kind === "text" ? whole.format : [] } as const;
};
const JSON_FORMAT: TextOrJsonFormat = {
  kind: "json",
  json: {
    kind: "object",
    fields: [
      ["code", string("%RESPONSE_CODE%")],
      ["duration", string("%DURATION%")],
      ["host", string("%REQ(:AUTHORITY)%")],
      ["method", string("%REQ(:METHOD)%")],
      ["path", string("%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%")],
      ["referer", string("%REQ(REFERER)%")],
      ["sent", string("%BYTES_SENT%")],
      ["time", string("%START_TIME%")],
      ["upstream", string("%UPSTREAM_HOST%")],
      ["user_agent", string("%REQ(USER-AGENT)%")],
    ],
  },
};

const dropped: Counter = { inc: () => undefined, add: () => undefined, value: () => 0 };

/** `info` with another millisecond each time, as under load. */
function run(name: string, format: TextOrJsonFormat, info: StreamInfo): void {
  const compiled = compileWhole(format, "show");
  let length = 0;
  measure(
    `${name}, formatted`,
    LINES,
    (count) => {
      for (let i = 0; i < count; i++) {
        info.startWallMs += 0.1;
        length += compiled(info).length;
      }
      return length;
    },
    ROUNDS,
  );
  const ring = createRing();
  const bell = createBell();
  const logs = new AccessLogs(new LogRing({ ring, bell, policy: "drop" }, dropped));
  const sink = { kind: "file", path: "/dev/null" } as const;
  const config: AccessLogConfig = { sink, filter: null, format, omitEmptyValues: false };
  const logger = logs.logger([config]);
  const records = new LogRecords(new RingSet([ring]), new LogSinks());
  const fill = (count: number): void => {
    for (let i = 0; i < count; i++) {
      info.startWallMs += 0.1;
      logger.log(info);
    }
  };
  const drainNs: number[] = [];
  measure(
    `${name}, in the ring`,
    LINES,
    (count) => {
      fill(count);
      const start = process.hrtime.bigint();
      records.write();
      drainNs.push(Number(process.hrtime.bigint() - start) / count);
    },
    ROUNDS,
  );
  process.stdout.write(`  of it, taken out by the writer: ${Math.min(...drainNs).toFixed(0)} ns\n`);
}

run("Envoy's default format", textOf(DEFAULT_ACCESS_LOG_FORMAT), streamInfo());
run("JSON of ten fields", JSON_FORMAT, streamInfo());
