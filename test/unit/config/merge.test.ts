import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { formatProblems } from "../../../src/config/load.ts";
import { bootstrapText, load } from "./bootstrap-text.ts";

describe("--config-yaml over the file", () => {
  test("scalars are replaced, messages merged, lists appended, maps merged by key", () => {
    const { config, problems } = load(
      "node: {id: a, cluster: c, metadata: {x: 1}}\nstatic_resources: {clusters: [{name: p}]}",
      "node: {id: b, metadata: {y: 2}}\nstatic_resources: {clusters: [{name: q}]}",
    );
    assert.equal(formatProblems(problems), "");
    assert.deepEqual([config?.node.id, config?.node.cluster], ["b", "c"]);
    assert.deepEqual(config?.node.property.fields["metadata"], {
      kind: "map",
      entries: { x: 1, y: 2 },
    });
    assert.deepEqual(
      config?.clusters.map(({ name }) => name),
      ["p", "q"],
    );
  });

  test("a part of a message completes what the file says", () => {
    const { config } = load(
      "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}",
      "admin: {address: {socket_address: {port_value: 2}}}",
    );
    assert.equal(config?.admin?.address.port, 2);
  });

  test("a member of a oneof unsets the other", () => {
    const { config } = load(
      "admin: {address: {pipe: {path: /x}}}",
      "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 2}}}",
    );
    assert.equal(config?.admin?.address.host, "127.0.0.1");
  });

  test("a problem in an appended item has its place in the overlay", () => {
    const overlay = "static_resources:\n  clusters:\n  - name: b\n    typo: 1";
    const { problems } = load(bootstrapText(), overlay);
    assert.deepEqual(
      problems.map(({ origin, path, line }) => [origin, path, line]),
      [["--config-yaml", "static_resources.clusters[1].typo", 4]],
    );
  });

  test("an overlay alone is enough", () => {
    assert.equal(load("", "node: {id: x}").config?.node.id, "x");
  });
});
