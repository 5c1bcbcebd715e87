import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { STATUS } from "../../../../src/abi/enums.ts";
import { BAD_RANGE, HostcallFixture, OUT, OUT_LEN } from "../../../harness/hostcall-fixture.ts";

function get(fixture: HostcallFixture, path: string): number {
  return fixture.call("proxy_get_property", ...fixture.text(path), OUT, OUT_LEN);
}

function value(fixture: HostcallFixture, path: string): string {
  assert.equal(get(fixture, path), STATUS.ok, JSON.stringify(path));
  return fixture.result();
}

describe("proxy_get_property", () => {
  it("gives plugin names on streams and roots, and the VM id in start-up", () => {
    const fixture = new HostcallFixture();
    for (const enter of [() => fixture.enterStream(), () => fixture.enterRoot()]) {
      enter();
      assert.equal(value(fixture, "plugin_name"), "plugin");
      assert.equal(value(fixture, "plugin_root_id"), "root");
      assert.equal(value(fixture, "plugin_vm_id\0"), "vm");
    }
    fixture.enterVm();
    assert.equal(value(fixture, "plugin_vm_id"), "vm");
    assert.equal(get(fixture, "plugin_name"), STATUS.notFound);
  });

  it("takes paths with and without a trailing NUL", () => {
    const fixture = new HostcallFixture();
    fixture.stream.values["request.path"] = "/x";
    assert.equal(value(fixture, "request\0path"), "/x");
    assert.equal(value(fixture, "request\0path\0"), "/x");
  });

  it("tells absent, not serialisable and empty apart", () => {
    const fixture = new HostcallFixture();
    fixture.stream.values["request"] = null;
    fixture.stream.values["request.query"] = "";
    assert.equal(get(fixture, "nothing"), STATUS.notFound);
    assert.equal(get(fixture, "request"), STATUS.serializationFailure);
    assert.equal(get(fixture, ""), STATUS.serializationFailure);
    assert.equal(value(fixture, "request\0query"), "");
  });

  it("resolves stream attributes on streams only, listener and node data on roots", () => {
    const metadata = {
      kind: "message",
      encoded: Uint8Array.of(1, 2),
      fields: { filter_metadata: "deep" },
    } as const;
    const fixture = new HostcallFixture("0_2_1", { listenerMetadata: metadata });
    fixture.stream.values["request.path"] = "/x";
    fixture.thread.rootValues["node.id"] = "me";
    fixture.enterRoot();
    assert.equal(get(fixture, "request\0path"), STATUS.notFound);
    assert.equal(value(fixture, "node\0id"), "me");
    assert.equal(value(fixture, "listener_direction"), "\x01\0\0\0\0\0\0\0");
    assert.equal(value(fixture, "xds\0listener_direction").length, 8);
    assert.equal(value(fixture, "xds\0listener_metadata"), "\x01\x02");
    assert.equal(value(fixture, "listener_metadata\0filter_metadata"), "deep");
    assert.equal(get(fixture, "listener_metadata\0none"), STATUS.notFound);
  });

  it("refuses ranges outside the memory", () => {
    const fixture = new HostcallFixture();
    const name = "proxy_get_property";
    assert.equal(fixture.call(name, ...BAD_RANGE, OUT, OUT_LEN), STATUS.invalidMemoryAccess);
    const path = fixture.text("plugin_name");
    assert.equal(fixture.call(name, ...path, -1, OUT_LEN), STATUS.invalidMemoryAccess);
  });
});

describe("proxy_set_property", () => {
  const set = (fixture: HostcallFixture, path: string, data: string): number =>
    fixture.call("proxy_set_property", ...fixture.text(path), ...fixture.text(data));

  it("stores under the path without its trailing NUL", () => {
    const fixture = new HostcallFixture();
    assert.equal(set(fixture, "my\0name\0", "v"), STATUS.ok);
    assert.equal(set(fixture, "empty", ""), STATUS.ok);
    assert.deepEqual([...fixture.stream.stored.keys()], ["wasm.my\0name", "wasm.empty"]);
    assert.equal(fixture.stream.stored.get("wasm.my\0name")?.[0], "v".charCodeAt(0));
  });

  it("is NotFound without a stream and refuses bad ranges", () => {
    const fixture = new HostcallFixture();
    const name = fixture.text("a");
    assert.equal(
      fixture.call("proxy_set_property", ...BAD_RANGE, ...name),
      STATUS.invalidMemoryAccess,
    );
    assert.equal(
      fixture.call("proxy_set_property", ...name, ...BAD_RANGE),
      STATUS.invalidMemoryAccess,
    );
    fixture.enterRoot();
    assert.equal(set(fixture, "a", "b"), STATUS.notFound);
  });
});
