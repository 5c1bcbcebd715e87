import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type WireField, wireMessage } from "../../../src/abi/protobuf-wire.ts";
import { LIMITS } from "../../../src/base/limits.ts";
import type { PropertyValue } from "../../../src/config/types.ts";
import { messageType, messageTypeOfUrl } from "../../../src/vm/message-types.ts";
import { StoredMessage } from "../../../src/vm/message-values.ts";

type Value = PropertyValue | null | undefined;

const hex = (text: string): Uint8Array => Buffer.from(text, "hex");
const stored = (name: string, bytes: Uint8Array | readonly WireField[]): StoredMessage =>
  new StoredMessage(messageType(name), bytes instanceof Uint8Array ? bytes : wireMessage(bytes));
const field = (name: string, bytes: Uint8Array | readonly WireField[], key: string): Value =>
  stored(name, bytes).fields[key];

const NODE = "envoy.config.core.v3.Node";
const any = (name: string, bytes: Uint8Array): Uint8Array =>
  wireMessage([
    [1, `type.googleapis.com/${name}`],
    [2, bytes],
  ]);

describe("types of messages", () => {
  it("are found by their URL, which has a slash", () => {
    assert.equal(messageTypeOfUrl(`type.googleapis.com/${NODE}`)?.name, NODE);
    assert.equal(messageTypeOfUrl(`a/b/${NODE}`)?.name, NODE);
    for (const url of [NODE, "", "/", "type.googleapis.com/", "x/no.such.Message"]) {
      assert.equal(messageTypeOfUrl(url), null, url);
    }
    for (const url of ["x/__proto__", "x/constructor", "x/toString"]) {
      assert.equal(messageTypeOfUrl(url), null, url);
    }
  });
});

describe("fields of a stored message", () => {
  it("are integers of 64 bits, whatever their width and sign on the wire", () => {
    const minusOne = (1n << 64n) - 1n;
    const one = (name: string, raw: bigint) =>
      field(`google.protobuf.${name}Value`, [[1, raw]], "value") ??
      stored(`google.protobuf.${name}Value`, [[1, raw]]).value;
    assert.equal(one("Int64", minusOne), -1n);
    assert.equal(one("Int32", minusOne), -1n);
    assert.equal(one("UInt64", minusOne), minusOne);
    assert.equal(one("UInt32", minusOne), 0xffff_ffffn);
    assert.equal(one("Bool", 2n), true);
    const percent = stored("envoy.type.v3.FractionalPercent", [
      [1, 300n],
      [2, 2n],
    ]);
    assert.deepEqual([percent.fields["numerator"], percent.fields["denominator"]], [300n, 2n]);
  });

  it("are doubles, floats, text and bytes", () => {
    assert.equal(stored("google.protobuf.DoubleValue", hex("09000000000000e03f")).value, 0.5);
    assert.equal(stored("google.protobuf.FloatValue", hex("0d0000003f")).value, 0.5);
    assert.equal(stored("google.protobuf.StringValue", hex("0a02c3a4")).value, "\u00c3\u00a4");
    assert.deepEqual(
      Buffer.from(stored("google.protobuf.BytesValue", hex("0a01ff")).value as Uint8Array),
      hex("ff"),
    );
  });

  it("have their default when they are not set", () => {
    const { fields } = stored(NODE, []);
    assert.equal(fields["id"], "");
    assert.deepEqual(fields["client_features"], { kind: "list", items: [] });
    assert.equal((fields["metadata"] as { kind: string }).kind, "map");
    assert.equal((fields["locality"] as StoredMessage).encoded.byteLength, 0);
    assert.equal((fields["locality"] as StoredMessage).fields["zone"], "");
    assert.equal(fields["nothing"], undefined);
    assert.equal(fields["constructor"], undefined);
    const cluster = stored("envoy.config.cluster.v3.Cluster", []).fields;
    assert.equal(cluster["per_connection_buffer_limit_bytes"], 0n);
    assert.deepEqual(cluster["connect_timeout"], { kind: "duration", ns: 0n });
    assert.equal(cluster["lb_policy"], 0n);
    assert.equal(cluster["ignore_health_on_host_removal"], false);
  });

  it("are durations and timestamps in nanoseconds, within 64 bits", () => {
    const time = (name: string, seconds: bigint) =>
      stored(`google.protobuf.${name}`, [
        [1, seconds],
        [2, 1n],
      ]).value;
    assert.deepEqual(time("Duration", 2n), { kind: "duration", ns: 2_000_000_001n });
    assert.deepEqual(time("Timestamp", -1n), { kind: "timestamp", ns: -999_999_999n });
    assert.deepEqual(time("Duration", 2n ** 62n), { kind: "duration", ns: 2n ** 63n - 1n });
    assert.deepEqual(time("Duration", -(2n ** 62n)), { kind: "duration", ns: -(2n ** 63n) });
  });

  it("of maps are entries, the last of a key; __proto__ is a key like others", () => {
    const entry = (key: string, text: string) =>
      wireMessage([
        [1, key],
        [2, wireMessage([[3, text]])],
      ]);
    const { fields } = stored("google.protobuf.Struct", [
      [1, entry("a", "1")],
      [1, entry("a", "2")],
      [1, entry("__proto__", "3")],
    ]);
    assert.deepEqual(Object.entries(fields), [
      ["a", "2"],
      ["__proto__", "3"],
    ]);
  });

  it("of a list come packed or one by one", () => {
    const ranges = "envoy.config.route.v3.RetryPolicy";
    const codes = { kind: "list", items: [500n, 503n] };
    // retriable_status_codes = 7
    assert.deepEqual(field(ranges, hex("3a04f403f703"), "retriable_status_codes"), codes);
    assert.deepEqual(field(ranges, hex("38f40338f703"), "retriable_status_codes"), codes);
    assert.deepEqual(field(ranges, hex("38f4033a02f703"), "retriable_status_codes"), codes);
    assert.equal(stored(ranges, hex("3a01f4")).value, null);
  });

  it("that come twice are merged, and a oneof has its last member", () => {
    const node = stored(NODE, hex("22030a01722203" + "12017a" + "3a0131" + "4200"));
    const locality = node.fields["locality"] as StoredMessage;
    assert.deepEqual([locality.fields["region"], locality.fields["zone"]], ["r", "z"]);
    assert.equal(node.fields["user_agent_version"], "");
    const swapped = stored(NODE, hex("42003a0131")).fields;
    assert.equal(swapped["user_agent_version"], "1");
  });

  it("are null where a Value is, in their place", () => {
    const nil = wireMessage([[1, hex("0800")]]);
    const list = stored("google.protobuf.ListValue", Buffer.concat([nil, hex("0a022001")]));
    assert.deepEqual(list.value, { kind: "list", items: [null, true] });
    const entry = wireMessage([
      [1, "a"],
      [2, hex("0800")],
    ]);
    assert.deepEqual(Object.entries(stored("google.protobuf.Struct", [[1, entry]]).fields), [
      ["a", null],
    ]);
  });

  it("of an Any are those of the message in it", () => {
    const config = (bytes: Uint8Array) =>
      field("envoy.config.core.v3.TypedExtensionConfig", [[2, bytes]], "typed_config");
    const inner = config(any(NODE, wireMessage([[1, "n"]])));
    assert.equal((inner as StoredMessage).fields["id"], "n");
    assert.equal(config(any("google.protobuf.StringValue", hex("0a0178"))), "x");
    const twice = any("google.protobuf.Any", any(NODE, wireMessage([[1, "n"]])));
    assert.equal((config(twice) as StoredMessage).fields["id"], "n");
    assert.equal(config(any("no.such.Message", hex(""))), null);
    assert.equal(config(any(NODE, hex("0a7f"))), null);
    assert.equal(config(hex("")), null);
  });
});

describe("bytes that are no message of their type", () => {
  it("have no value", () => {
    for (const bytes of ["0a7f", "0a", "ff", "00", "0aff", "0b", "220212ff", "0a02fffe", "0f00"]) {
      const message = stored(NODE, hex(bytes));
      assert.equal(message.value, null, bytes);
      assert.deepEqual(message.fields, {});
    }
    assert.equal(new StoredMessage(null, hex("")).value, null);
  });

  it("are unknown fields when the number or the wire type is another", () => {
    assert.equal(field(NODE, hex("0801"), "id"), "");
    assert.equal(field(NODE, hex("f8ff0301"), "id"), "");
  });

  it("have none when they are too long", () => {
    const long = (bytes: number) => stored(NODE, [[1, "x".repeat(bytes)]]);
    assert.notEqual(long(LIMITS.storedMessageBytes - 4).value, null);
    assert.equal(long(LIMITS.storedMessageBytes).value, null);
  });

  it("have none when they are too deep, in messages and in Anys", () => {
    const lists = (depth: number): Uint8Array => {
      let bytes = wireMessage([[3, "x"]]);
      for (let i = 0; i < depth; i++) bytes = wireMessage([[6, wireMessage([[1, bytes]])]]);
      return bytes;
    };
    assert.notEqual(stored("google.protobuf.Value", lists(40)).value, null);
    assert.equal(stored("google.protobuf.Value", lists(60)).value, null);
    let deep = any(NODE, wireMessage([[1, "n"]]));
    for (let i = 0; i < 1_000; i++) deep = any("google.protobuf.Any", deep);
    assert.equal(stored("google.protobuf.Any", deep).value, null);
  });

  it("never throw, whatever they are", () => {
    const names = [NODE, "google.protobuf.Value", "envoy.config.cluster.v3.Cluster"];
    let seed = 7;
    const next = (): number => {
      seed = (seed * 1_103_515_245 + 12_345) & 0x7fff_ffff;
      return (seed >> 16) & 0xff;
    };
    for (let i = 0; i < 2_000; i++) {
      const bytes = Uint8Array.from({ length: next() % 24 }, () => next() % 128);
      const message = stored(names[i % names.length] ?? NODE, bytes);
      for (const name of Object.keys(message.fields))
        assert.notEqual(message.fields[name], undefined);
    }
  });
});
