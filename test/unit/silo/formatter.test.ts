import assert from "node:assert/strict";
import { test } from "node:test";
import { parseFormat } from "../../../src/config/format.ts";
import { FORMAT_OPERATORS as ACCEPTED } from "../../../src/config/format-operators.ts";
import type { ListenerConfig } from "../../../src/config/types.ts";
import { HeaderMap } from "../../../src/http/header-map.ts";
import { compileText, FORMAT_OPERATORS } from "../../../src/silo/formatter.ts";
import { StreamInfo } from "../../../src/silo/stream-info.ts";
import type { PluginUse } from "../../../src/vm/plugin-use.ts";

const USE: PluginUse = {
  memoryBytes: 65_536,
  streams: 1,
  callbacks: new Map([
    ["proxy_on_log", { calls: 3, timeUs: 4.6 }],
    ["proxy_on_tick", { calls: 2, timeUs: 10 }],
  ]),
  hostcalls: new Map([
    ["proxy_log", 5],
    ["proxy_get_property", 7],
  ]),
};

function streamInfo(): StreamInfo {
  const connection = {
    id: 7,
    remoteIp: "10.0.0.1",
    remotePort: 1234,
    directIp: "10.0.0.9",
    directPort: 99,
    localIp: "::1",
    localPort: 80,
    tls: null,
  };
  const info = new StreamInfo({} as ListenerConfig, connection, 1);
  info.startWallMs = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
  info.startMs = 100;
  info.endMs = 112.7;
  info.requestHeaders = HeaderMap.of([
    [":path", "/p?q=1"],
    ["x-twice", "a"],
    ["x-twice", "b"],
  ]);
  info.responseHeaders = HeaderMap.of([["grpc-status", "7"]]);
  info.costs = { use: (plugin) => (plugin === "a:b" ? USE : null), whenGone: () => undefined };
  return info;
}

function format(text: string, absent = "-"): string {
  const parsed = parseFormat(text);
  if ("error" in parsed) throw new Error(parsed.error);
  return compileText(parsed.format, absent)(streamInfo());
}

test("every operator that the configuration accepts is evaluated or folded when it is read", () => {
  const folded = new Set(["HOSTNAME", "ENVIRONMENT"]);
  const missing = [...ACCEPTED.keys()].filter((n) => !FORMAT_OPERATORS.has(n) && !folded.has(n));
  assert.deepEqual(missing, []);
});

const CASES: [string, string][] = [
  ["%REQ(:PATH)%", "/p?q=1"],
  ["%REQ(X-ABSENT?:PATH):3%", "/p?"],
  ["%REQ(X-TWICE)%", "a"],
  ["%PATH(NQ)%", "/p"],
  ["%PATH(WQ:PATH)%", "/p?q=1"],
  ["%PATH(WQ:ORIG)%", "-"],
  ["%QUERY_PARAM(q)%", "1"],
  ["%QUERY_PARAM(r)%", "-"],
  ["%REQ(X-ABSENT)%", "-"],
  ["%REQ_WITHOUT_QUERY(:PATH)%", "/p"],
  ["%START_TIME%", "2026-01-02T03:04:05.678Z"],
  ["%START_TIME(%Y/%m/%d %H:%M:%S %3f)%", "2026/01/02 03:04:05 678"],
  [
    "%START_TIME(%b_%e_%j_%y_%I_%p_%a_%A_%B_%D_%R_%u_%Z_%h_%c_%x_%X_%r_%w_%T_%F)%",
    "Jan_ 2_002_26_03_AM_Fri_Friday_January_01/02/26_03:04_5_UTC_Jan_Fri Jan  2 03:04:05 2026_01/02/26_03:04:05_03:04:05 AM_5_03:04:05_2026-01-02",
  ],
  ["%START_TIME(%s.%6f %9f %f %z %%)%", "1767323045.678000 678000000 678000000 +0000 %"],
  ["%START_TIME(%%c %%f %%%S%%)%", "%c %f %05%"],
  ["%START_TIME(%1f %2f %4f)%", "6 67 6780"],
  ["%EMIT_TIME(%S.%3f)%", "05.690"],
  ["%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%", "12700"],
  ["%COMMON_DURATION(DS_RX_BEG:US_RX_BEG:ms)%", "-"],
  ["%DURATION%", "12"],
  ["%RESPONSE_DURATION%", "-"],
  ["%RESPONSE_FLAGS%", "-"],
  ["%DOWNSTREAM_REMOTE_ADDRESS%", "10.0.0.1:1234"],
  ["%DOWNSTREAM_LOCAL_ADDRESS%", "[::1]:80"],
  ["%DOWNSTREAM_REMOTE_PORT%", "1234"],
  ["%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%", "10.0.0.9:99"],
  ["%UPSTREAM_HOST%", "-"],
  ["%UPSTREAM_REMOTE_PORT%", "-"],
  ["%GRPC_STATUS_NUMBER%", "7"],
  ["%GRANARY_PLUGIN(a:b:memory_bytes)%", "65536"],
  ["%GRANARY_PLUGIN(a:b:calls)% %GRANARY_PLUGIN(a:b:calls:proxy_on_log)%", "5 3"],
  ["%GRANARY_PLUGIN(a:b:time_us)% %GRANARY_PLUGIN(a:b:time_us:proxy_on_log)%", "15 5"],
  ["%GRANARY_PLUGIN(a:b:hostcalls)% %GRANARY_PLUGIN(a:b:hostcalls:proxy_log)%", "12 5"],
  ["%GRANARY_PLUGIN(a:b:hostcalls:proxy_done)% %GRANARY_PLUGIN(c:calls)%", "- -"],
  ["%ACCESS_LOG_TYPE%", "DownstreamEnd"],
  ["%GRPC_STATUS%", "PermissionDenied"],
  ["%GRPC_STATUS(SNAKE_STRING)%", "PERMISSION_DENIED"],
  ["%GRPC_STATUS(NUMBER)%", "7"],
  ["100%% of %PROTOCOL%", "100% of HTTP/1.1"],
];
for (const [text, expected] of CASES) {
  test(`${text} gives ${expected}`, () => assert.equal(format(text), expected));
}

test("a time goes on with its second, and its fraction within one", () => {
  const parsed = parseFormat("%START_TIME% %START_TIME(%s.%6f)%");
  const text = compileText("format" in parsed ? parsed.format : [], "-");
  const info = streamInfo();
  const at = (wallMs: number): string => {
    info.startWallMs = wallMs;
    return text(info);
  };
  const start = Date.UTC(2026, 11, 31, 23, 59, 59);
  assert.equal(at(start + 7.25), "2026-12-31T23:59:59.007Z 1798761599.007250");
  assert.equal(at(start + 999.5), "2026-12-31T23:59:59.999Z 1798761599.999500");
  assert.equal(at(start + 1_000), "2027-01-01T00:00:00.000Z 1798761600.000000");
  assert.equal(at(start), "2026-12-31T23:59:59.000Z 1798761599.000000");
});
