import assert from "node:assert/strict";
import { test } from "node:test";
import { mergeClusterReports } from "../../../src/admin/clusters.ts";
import { FakeSource, REPORTS } from "./fake-source.ts";
import { ask } from "./harness.ts";

const UP = `up::observability_name::up
up::default_priority::max_connections::1024
up::default_priority::max_pending_requests::1024
up::default_priority::max_requests::1024
up::default_priority::max_retries::3
up::high_priority::max_connections::1024
up::high_priority::max_pending_requests::1024
up::high_priority::max_requests::1024
up::high_priority::max_retries::3
up::added_via_api::false
up::127.0.0.1:1::cx_active::2
up::127.0.0.1:1::cx_connect_fail::0
up::127.0.0.1:1::cx_total::0
up::127.0.0.1:1::rq_active::0
up::127.0.0.1:1::rq_error::0
up::127.0.0.1:1::rq_pending_active::0
up::127.0.0.1:1::rq_success::0
up::127.0.0.1:1::rq_timeout::0
up::127.0.0.1:1::rq_total::11
up::127.0.0.1:1::hostname::
up::127.0.0.1:1::health_flags::healthy
up::127.0.0.1:1::weight::1
up::127.0.0.1:1::region::
up::127.0.0.1:1::zone::
up::127.0.0.1:1::sub_zone::
up::127.0.0.1:1::canary::false
up::127.0.0.1:1::priority::0
up::127.0.0.1:1::success_rate::-1
up::127.0.0.1:1::local_origin_success_rate::-1
up::127.0.0.1:2::cx_active::2
`;

test("counts of silos add up, and an endpoint is healthy while one silo finds it so", () => {
  const [up] = mergeClusterReports(REPORTS);
  assert.deepEqual(
    up?.endpoints.map(({ address, healthy, stats }) => [address, healthy, stats["rq_total"]]),
    [
      ["127.0.0.1:1", true, 11],
      ["127.0.0.1:2", false, 1],
    ],
  );
  assert.deepEqual(mergeClusterReports([]), []);
});

test("text shows limits, counts and health of each endpoint", async () => {
  const { body } = await ask(new FakeSource(), "/clusters");
  assert.equal(body.slice(0, UP.length), UP);
  assert.ok(body.includes("\nup::127.0.0.1:2::health_flags::/failed_active_hc\n"));
  assert.ok(body.includes("\nother::observability_name::seen_as\n"));
});

test("a filter chooses clusters by name, and a broken one answers 400", async () => {
  const source = new FakeSource();
  const { body } = await ask(source, "/clusters?filter=^oth");
  assert.match(body, /^(other::.*\n)+$/);
  assert.equal((await ask(source, "/clusters?filter=nothing")).body, "");
  const broken = await ask(source, "/clusters?filter=(");
  assert.deepEqual([broken.status, broken.body], [400, "Invalid re2 regex"]);
});

test("JSON follows protobuf's rules: no zeros, 64-bit numbers as strings", async () => {
  const { body, contentType } = await ask(new FakeSource(), "/clusters?format=json&filter=up");
  assert.equal(contentType, "application/json");
  assert.match(body, /^\{\n "cluster_statuses": \[\n {2}\{\n {3}"name": "up",\n/);
  const [status] = JSON.parse(body).cluster_statuses;
  assert.deepEqual(status.host_statuses[0], {
    address: { socket_address: { address: "127.0.0.1", port_value: 1 } },
    stats: [
      { name: "cx_connect_fail" },
      { name: "cx_total" },
      { name: "rq_error" },
      { name: "rq_success" },
      { name: "rq_timeout" },
      { value: "11", name: "rq_total" },
      { type: "GAUGE", value: "2", name: "cx_active" },
      { type: "GAUGE", name: "rq_active" },
      { type: "GAUGE", name: "rq_pending_active" },
    ],
    health_status: { eds_health_status: "HEALTHY" },
    weight: 1,
    locality: {},
  });
  assert.equal(status.host_statuses[1].health_status.failed_active_health_check, true);
  assert.equal(status.circuit_breakers.thresholds[0].max_retries, 3);
});

test("listeners show the address that is bound", async () => {
  const source = new FakeSource();
  assert.equal((await ask(source, "/listeners")).body, "web::127.0.0.1:8080\nsix::[::1]:8081\n");
  const { body } = await ask(source, "/listeners?format=json");
  assert.deepEqual(JSON.parse(body).listener_statuses[1], {
    name: "six",
    local_address: { socket_address: { address: "::1", port_value: 8081 } },
  });
});
