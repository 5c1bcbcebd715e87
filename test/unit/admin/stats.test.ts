import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeSource } from "./fake-source.ts";
import { ask } from "./harness.ts";

function counted(): FakeSource {
  const source = new FakeSource();
  source.root.counter("server.total").add(3);
  source.root.gauge("server.live").set(1);
  source.root.counter("http.in.no_route");
  source.root.histogram("http.in.downstream_rq_time").record(1);
  source.root.histogram("http.in.downstream_cx_length_ms");
  return source;
}

const body = async (source: FakeSource, target: string): Promise<string> =>
  (await ask(source, target)).body;

test("text lists counters and gauges by name, then histograms", async () => {
  const lines = (await body(counted(), "/stats")).split("\n");
  assert.deepEqual(lines.slice(0, 4), [
    "http.in.no_route: 0",
    "server.live: 1",
    "server.total: 3",
    "http.in.downstream_cx_length_ms: No recorded values",
  ]);
  assert.match(
    lines[4] ?? "",
    /^http\.in\.downstream_rq_time: P0\(nan,0\.9\) P25\(nan,[\d.]+\) .* P100\(nan,1\)$/,
  );
});

test("an interval that has ended stands beside the total", async () => {
  const source = counted();
  source.rollInterval();
  assert.match(await body(source, "/stats?filter=rq_time"), /P100\(1,1\)$/m);
  source.rollInterval();
  assert.match(await body(source, "/stats?filter=rq_time"), /P100\(nan,1\)$/m);
});

test("usedonly, type, filter and invert_filter select", async () => {
  const source = counted();
  assert.equal(await body(source, "/stats?usedonly&type=Counters"), "server.total: 3\n");
  assert.equal(await body(source, "/stats?type=Gauges"), "server.live: 1\n");
  assert.equal(await body(source, "/stats?filter=^server&type=Counters"), "server.total: 3\n");
  assert.equal(
    await body(source, "/stats?filter=^server&invert_filter&type=Counters"),
    "http.in.no_route: 0\n",
  );
  assert.equal(await body(source, "/stats?type=TextReadouts"), "");
});

test("wrong parameters answer 400 in Envoy's words", async () => {
  const source = counted();
  for (const [target, text] of [
    ["/stats?filter=(", "Invalid re2 regex: missing ): ("],
    ["/stats?filter=[a", "Invalid re2 regex: missing ]: [a"],
    ["/stats?filter=*", "Invalid re2 regex: no argument for repetition operator: *"],
    ["/stats/prometheus?filter=(", "Invalid re2 regex: missing ): ("],
    ["/stats?type=Bogus", "invalid &type= param"],
    ["/stats?format=xml", "usage: /stats?format=(text|json|prometheus)\n\n"],
    [
      "/stats?histogram_buckets=x",
      "usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary)\n\n",
    ],
  ] as const) {
    const response = await ask(source, target);
    assert.equal(response.status, 400, target);
    assert.equal(response.body, text);
  }
  const long = await ask(source, `/stats?filter=${"a".repeat(2000)}`);
  assert.equal(long.status, 400);
  assert.match(long.body, /^Invalid re2 regex: pattern too large/);
});

test("a filter that would hang a backtracking engine answers", async () => {
  const source = counted();
  source.root.counter("a".repeat(1000)).inc();
  assert.equal(await body(source, "/stats?filter=^(a+)+$&type=Gauges"), "");
  assert.equal(await body(source, "/stats?filter=^(a|a)*b&type=Counters"), "");
});

test("JSON has one list whose last item holds the histograms", async () => {
  const source = counted();
  const response = await ask(source, "/stats?format=json&usedonly");
  assert.equal(response.contentType, "application/json");
  const { stats } = JSON.parse(response.body);
  assert.deepEqual(stats.slice(0, 2), [
    { name: "server.live", value: 1 },
    { name: "server.total", value: 3 },
  ]);
  const { supported_quantiles, computed_quantiles } = stats[2].histograms;
  assert.deepEqual(supported_quantiles, [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100]);
  assert.equal(computed_quantiles.length, 1);
  assert.equal(computed_quantiles[0].name, "http.in.downstream_rq_time");
  assert.deepEqual(computed_quantiles[0].values[9], { cumulative: 1, interval: null });
  assert.equal(await body(source, "/stats?format=json&filter=nothing"), '{"stats":[]}');
});

test("histogram buckets come cumulative, disjoint and in detail", async () => {
  const source = new FakeSource();
  const time = source.root.histogram("t");
  for (const value of [0, 1, 1, 2_000_000]) time.record(value);
  source.rollInterval();
  time.record(5);
  const cumulative = await body(source, "/stats?histogram_buckets=cumulative");
  assert.match(cumulative, /^t: B0\.5\(1,1\) B1\(3,3\) B5\(3,4\) B10\(3,4\) /);
  assert.match(cumulative, / B600000\(3,4\) B1\.8e\+06\(3,4\) B3\.6e\+06\(4,5\)\n$/);
  const disjoint = await body(source, "/stats?histogram_buckets=disjoint");
  assert.match(disjoint, /^t: B0\.5\(1,1\) B1\(2,2\) B5\(0,1\) B10\(0,0\) /);
  const detailed = await body(source, "/stats?histogram_buckets=detailed");
  assert.deepEqual(detailed.split("\n").slice(0, 3), [
    "t:",
    "  totals=0,0:1, 0.9,0.1:2, 4.5,0.5:1, 1.8e+06,200000:1",
    "  intervals=0,0:1, 0.9,0.1:2, 1.8e+06,200000:1",
  ]);
  assert.match(detailed, /\n {2}summary=P0\(0,0\) /);
  const json = JSON.parse(await body(source, "/stats?format=json&histogram_buckets=cumulative"));
  assert.deepEqual(json.stats[0].histograms[0].buckets[2], {
    upper_bound: 5,
    interval: 3,
    cumulative: 4,
  });
  const details = JSON.parse(await body(source, "/stats?format=json&histogram_buckets=detailed"));
  assert.deepEqual(details.stats[0].histograms.details[0].totals[2], {
    lower_bound: 4.5,
    width: 0.5,
    count: 1,
  });
});

test("Prometheus answers under both addresses, filtered by stat name", async () => {
  const source = counted();
  const response = await ask(source, "/stats/prometheus?filter=server.total");
  assert.equal(response.contentType, "text/plain; version=0.0.4; charset=utf-8");
  assert.match(
    response.body,
    /^# HELP envoy_server_total .*\n# TYPE envoy_server_total counter\nenvoy_server_total 3\n$/,
  );
  assert.equal(await body(source, "/stats?format=prometheus&filter=server.total"), response.body);
  assert.ok(!(await body(source, "/stats/prometheus?usedonly")).includes("no_route"));
});

test("a reset shows in the next answer", async () => {
  const source = counted();
  await ask(source, "/reset_counters", "POST");
  assert.equal(await body(source, "/stats?filter=server"), "server.live: 1\nserver.total: 0\n");
});
