/**
 * Filesystem xDS: listeners, clusters, routes, endpoints and extension configurations from files
 * that are watched; each is taken or refused on its own, with version, state and stats.
 */
import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { FakeUpstream, plainResponse } from "../harness/fake-upstream.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy.ts";
import { exchange } from "../harness/raw-client.ts";
import { CONTINUE, scriptedGuest } from "../harness/scripted-guest.ts";

const GET = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
const API = "type.googleapis.com/envoy";
const FILTERS = `${API}.extensions.filters`;

let folder: string;
let upstreams: FakeUpstream[];
let proxy: ProxyProcess;

const path = (name: string): string => join(folder, `${name}.yaml`);
const config = (name: string): object => ({ path_config_source: { path: path(name) } });

/** Replaces a file as a whole, as operators should. */
function put(name: string, version: string, resources: readonly object[]): void {
  writeFileSync(`${path(name)}.new`, JSON.stringify({ version_info: version, resources }));
  renameSync(`${path(name)}.new`, path(name));
}

function listenerResource(prefix = "main"): object {
  const manager = {
    "@type": `${FILTERS}.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: prefix,
    rds: { config_source: config("rds"), route_config_name: "routes" },
    http_filters: [
      {
        name: "stamp",
        config_discovery: {
          config_source: config("ecds"),
          type_urls: [`${FILTERS}.http.wasm.v3.Wasm`],
        },
      },
      { name: "router", typed_config: { "@type": `${FILTERS}.http.router.v3.Router` } },
    ],
  };
  const name = "envoy.filters.network.http_connection_manager";
  return {
    "@type": `${API}.config.listener.v3.Listener`,
    name: "main",
    address: { socket_address: { address: "127.0.0.1", port_value: 0 } },
    filter_chains: [{ filters: [{ name, typed_config: manager }] }],
  };
}

function clusterResource(timeout = "5s"): object {
  return {
    "@type": `${API}.config.cluster.v3.Cluster`,
    name: "upstream",
    type: "EDS",
    connect_timeout: timeout,
    eds_cluster_config: { eds_config: config("eds"), service_name: "service" },
  };
}

function endpoints(port: number): object {
  const endpoint = { address: { socket_address: { address: "127.0.0.1", port_value: port } } };
  return {
    "@type": `${API}.config.endpoint.v3.ClusterLoadAssignment`,
    cluster_name: "service",
    endpoints: [{ lb_endpoints: [{ endpoint }] }],
  };
}

function routes(value: string, cluster = "upstream"): object {
  const header = { header: { key: "x-route", value } };
  return {
    "@type": `${API}.config.route.v3.RouteConfiguration`,
    name: "routes",
    virtual_hosts: [
      {
        name: "all",
        domains: ["*"],
        routes: [{ match: { prefix: "/" }, route: { cluster } }],
        response_headers_to_add: [header],
      },
    ],
  };
}

function extension(version: string, code?: Uint8Array): object {
  const bytes =
    code ??
    scriptedGuest((s) => ({
      proxy_on_response_headers: [s.add(2, "x-filter", version), CONTINUE],
    }));
  const inline = { inline_bytes: Buffer.from(bytes).toString("base64") };
  const wasm = { name: "stamp", vm_config: { code: { local: inline } } };
  return {
    "@type": `${API}.config.core.v3.TypedExtensionConfig`,
    name: "stamp",
    typed_config: { "@type": `${FILTERS}.http.wasm.v3.Wasm`, config: wasm },
  };
}

/** `x-route x-filter upstream` of one answer. */
async function answer(): Promise<string> {
  const text = await exchange(proxy.port("main"), GET);
  const value = (name: string) => new RegExp(`\r\n${name}: (.*)\r\n`).exec(text)?.[1];
  return [value("x-route"), value("x-filter"), text.slice(-2)].join(" ");
}

/** Resolves when a stat has the value; the test's own time limit bounds it. */
async function until(stat: string, value: number): Promise<void> {
  while ((await proxy.stat(stat)) !== value) await wait(20);
}

async function dumped(kind: string, field: string): Promise<Record<string, unknown>> {
  const dump = JSON.parse((await proxy.admin("/config_dump?include_eds")).body);
  const part = dump.configs.find((each: { "@type": string }) => each["@type"].endsWith(`.${kind}`));
  return part[field][0];
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "granary-xds-"));
  upstreams = await Promise.all(
    ["u0", "u1"].map((body) =>
      FakeUpstream.listen({
        onRequest: (_, connection) => connection.write(plainResponse(200, body)),
      }),
    ),
  );
  put("lds", "l1", [listenerResource()]);
  put("cds", "c1", [clusterResource()]);
  put("eds", "e1", [endpoints(upstreams[0]?.port ?? 0)]);
  put("rds", "r1", [routes("one")]);
  put("ecds", "x1", [extension("one")]);
  const dynamic = { lds_config: config("lds"), cds_config: config("cds") };
  proxy = await startProxy({ yaml: `dynamic_resources: ${JSON.stringify(dynamic)}\n` });
});

after(async () => {
  assert.equal(await proxy.stop(), 0);
  for (const upstream of upstreams) await upstream.close();
  rmSync(folder, { recursive: true });
});

const RDS = "http.main.rds.routes";
const ECDS = "extension_config_discovery.http_filter.stamp";

describe("resources from files", () => {
  it("are there at the start, with their versions", async () => {
    assert.equal(await answer(), "one one u0");
    for (const scope of ["listener_manager.lds", "cluster_manager.cds", RDS, ECDS]) {
      assert.equal(await proxy.stat(`${scope}.update_success`), 1, scope);
    }
    const route = await dumped("RoutesConfigDump", "dynamic_route_configs");
    assert.equal(route["version_info"], "r1");
    assert.equal(route["client_status"], "ACKED");
    const endpoint = await dumped("EndpointsConfigDump", "dynamic_endpoint_configs");
    assert.equal(endpoint["version_info"], "e1");
  });

  it("are taken one by one when their files are replaced", async () => {
    const port = proxy.port("main");
    put("rds", "r2", [routes("two")]);
    await until(`${RDS}.update_success`, 2);
    assert.equal(await answer(), "two one u0");
    put("ecds", "x2", [extension("two")]);
    await until(`${ECDS}.update_success`, 2);
    assert.equal(await answer(), "two two u0");
    put("eds", "e2", [endpoints(upstreams[1]?.port ?? 0)]);
    await until("cluster.upstream.update_success", 2);
    assert.equal(await answer(), "two two u1");
    put("cds", "c2", [clusterResource("7s")]);
    await until("cluster_manager.cds.update_success", 2);
    put("lds", "l2", [listenerResource()]);
    await until("listener_manager.lds.update_success", 2);
    await proxy.readListeners();
    assert.equal(proxy.port("main"), port, "the socket is kept");
    assert.equal(await answer(), "two two u1");
  });

  it("are refused one by one, and the others go on being taken", async () => {
    put("rds", "r3", [routes("bad", "nowhere")]);
    await until(`${RDS}.update_rejected`, 1);
    assert.equal(await answer(), "two two u1");
    const route = await dumped("RoutesConfigDump", "dynamic_route_configs");
    assert.equal(route["version_info"], "r2");
    assert.equal(route["client_status"], "NACKED");
    assert.match(JSON.stringify(route["error_state"]), /rds\.yaml:\d+.*nowhere/);
    put("ecds", "x3", [extension("three")]);
    await until(`${ECDS}.update_success`, 3);
    assert.equal(await answer(), "two three u1");
    put("rds", "r4", [routes("four")]);
    await until(`${RDS}.update_success`, 3);
    assert.equal(await answer(), "four three u1");
    const good = await dumped("RoutesConfigDump", "dynamic_route_configs");
    assert.deepEqual([good["version_info"], good["client_status"]], ["r4", "ACKED"]);
  });

  it("are refused for code that does not start, files cut short, and names that are missing", async () => {
    put("ecds", "x4", [extension("four", Buffer.from("no module"))]);
    await until(`${ECDS}.update_rejected`, 1);
    put("ecds", "x5", [
      extension(
        "five",
        scriptedGuest(() => ({ proxy_on_configure: ["(i32.const 0)"] })),
      ),
    ]);
    await until(`${ECDS}.update_rejected`, 2);
    writeFileSync(path("rds"), '{"resources": [');
    await until(`${RDS}.update_rejected`, 2);
    writeFileSync(path("eds"), '{"resources": [], "surprise": 1}');
    await until("cluster.upstream.update_rejected", 1);
    assert.equal(await answer(), "four three u1");
  });
});
