import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeSource } from "./fake-source.ts";
import { ask } from "./harness.ts";

const dump = async (query: string): Promise<{ status: number; body: string }> =>
  ask(new FakeSource(), `/config_dump${query}`);
const configsOf = async (query: string) => JSON.parse((await dump(query)).body).configs;

test("a dump holds bootstrap, clusters, listeners and routes with their types", async () => {
  const [bootstrap, clusters, listeners, routes] = await configsOf("");
  assert.equal(bootstrap["@type"], "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump");
  assert.equal(bootstrap.bootstrap.node.id, "n1");
  assert.equal(bootstrap.last_updated, "2023-11-14T22:13:20.123Z");
  assert.deepEqual(clusters.static_clusters[1], {
    cluster: {
      "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
      name: "other",
      type: "STATIC",
    },
    last_updated: "2023-11-14T22:13:20.123Z",
  });
  assert.equal(listeners.static_listeners[0].listener.name, "web");
  assert.equal(routes.static_route_configs[0].route_config.name, "local");
});

test("private keys and passwords never leave", async () => {
  const { body } = await dump("");
  assert.ok(!body.includes("SECRET"));
  assert.ok(!body.includes("U0VDUkVU"));
  const [bootstrap] = JSON.parse(body).configs;
  const [chain] = bootstrap.bootstrap.static_resources.listeners[0].filter_chains;
  assert.deepEqual(chain.transport_socket.typed_config.common_tls_context.tls_certificates[0], {
    certificate_chain: { inline_string: "public" },
    private_key: { inline_string: "[redacted]", inline_bytes: "W3JlZGFjdGVkXQ==" },
    password: { filename: "[redacted]" },
  });
});

test("a resource is dumped alone, item by item", async () => {
  const configs = await configsOf("?resource=static_clusters");
  assert.equal(configs.length, 2);
  assert.equal(
    configs[0]["@type"],
    "type.googleapis.com/envoy.admin.v3.ClustersConfigDump.StaticCluster",
  );
  assert.equal(configs[0].cluster.name, "up");
});

test("a mask keeps the fields it names", async () => {
  assert.deepEqual(await configsOf("?mask=bootstrap.node"), [
    {
      "@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump",
      bootstrap: { node: { id: "n1", cluster: "c1" } },
    },
  ]);
  const configs = await configsOf("?resource=static_clusters&mask=cluster.name,last_updated");
  assert.deepEqual(configs[1].cluster, {
    "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    name: "other",
  });
});

test("a name regex matches whole names", async () => {
  const [, clusters, listeners] = await configsOf("?name_regex=u.*");
  assert.deepEqual(
    clusters.static_clusters.map((entry: { cluster: { name: string } }) => entry.cluster.name),
    ["up"],
  );
  assert.equal(listeners.static_listeners, undefined);
});

test("what cannot be dumped answers in Envoy's words", async () => {
  for (const [query, status, text] of [
    ["?resource=bogus", 404, "bogus not found in config dump"],
    ["?resource=__proto__", 404, "__proto__ not found in config dump"],
    [
      "?resource=bootstrap",
      400,
      "bootstrap is not a repeated field. Use ?mask=bootstrap to get only this field",
    ],
    ["?mask=nope", 400, "FieldMask nope could not be successfully applied to any configs."],
    [
      "?mask=constructor.name",
      400,
      "FieldMask constructor.name could not be successfully applied to any configs.",
    ],
    ["?name_regex=(", 400, "INVALID_ARGUMENT: Error while parsing name_regex from (: missing ): ("],
  ] as const) {
    const response = await dump(query);
    assert.deepEqual([response.status, response.body], [status, text], query);
  }
});
