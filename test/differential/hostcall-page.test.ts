/** What the recordings say about each hostcall, as the generated page tells it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { HOSTCALLS } from "../../src/abi/hostcall-table.ts";
import { GROUPS } from "./cases/index.ts";
import { readGoldens } from "./golden.ts";
import { renderSeen } from "./hostcall-page.ts";
import type { Recording } from "./player.ts";

const recorded = (log: readonly string[]): Recording => ({
  client: [],
  end: "open",
  upstream: [],
  log,
});

const rowsOf = (page: string): string[] =>
  page.split("\n").filter((line) => line.startsWith("| `"));

test("phases with the same answers share a row, and both proxies' answers stand in it", () => {
  const log = [
    "proxy_on_request_headers 2 6 1",
    '  get_header_map_value 0 ":path" = 0 "/"',
    '  get_header_map_value 0 "absent" = 1',
    "proxy_on_request_body 2 0 1",
    '1:   get_header_map_value 0 ":path" = 0 "/"',
    '  get_header_map_value 0 "absent" = 1',
    "proxy_on_log 2",
    '  get_header_map_value 2 ":status" = 0 "= 5"',
  ];
  assert.deepEqual(rowsOf(renderSeen([{ one: { envoy: recorded(log) } }])), [
    "| `proxy_get_header_map_value` | request headers | request_headers, request_body | ok, notFound | same | `one` |",
    "| `proxy_get_header_map_value` | response headers | log | ok | same | `one` |",
  ]);
});

test("where Granary answers something else its answer is bold", () => {
  const envoy = recorded(["proxy_on_tick 1", "  done = 1"]);
  const granary = recorded(["proxy_on_tick 1", "  done = 0"]);
  assert.deepEqual(rowsOf(renderSeen([{ one: { envoy, granary } }])), [
    "| `proxy_done` |  | tick | notFound | **ok** | `one` |",
  ]);
});

test("every hostcall that Envoy links is in the recordings, but gRPC's", () => {
  const page = renderSeen(GROUPS.map(({ name }) => readGoldens(name)));
  const missing = Object.entries(HOSTCALLS).filter(([name, { since, group }]) => {
    const isVendors = since === "0.2.100" || since === "envoy";
    return !isVendors && group !== "grpc" && !page.includes(`\`${name}\``);
  });
  assert.deepEqual(missing, []);
});
