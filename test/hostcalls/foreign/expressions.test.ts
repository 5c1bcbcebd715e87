/** `expr_create`, `expr_evaluate`, `expr_delete`. Values are what Envoy 1.40 answers. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LIMITS } from "../../../src/base/limits.ts";
import type { PropertyValue } from "../../../src/config/types.ts";
import { messageType } from "../../../src/vm/message-types.ts";
import { StoredMessage } from "../../../src/vm/message-values.ts";
import { FakeStream } from "../../harness/fake-roles.ts";
import { type Guest, inPhase, type Phase } from "../guest.ts";

const PHASE = "proxy_on_request_headers";

function word(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function foreign(guest: Guest, name: string, args: string | Uint8Array) {
  const got = guest.fetch(
    "proxy_call_foreign_function",
    ...guest.put(name),
    ...guest.put(Buffer.from(args)),
  );
  return { status: got.status, hex: Buffer.from(got.text ?? "", "latin1").toString("hex") };
}

/** `<create status> [<evaluate status> <result in hex>]`. */
function evaluate(guest: Guest, source: string): string {
  const made = foreign(guest, "expr_create", source);
  if (made.status !== 0) return `${made.status}`;
  const { status, hex } = foreign(guest, "expr_evaluate", Buffer.from(made.hex, "hex"));
  return `0 ${status} ${hex}`.trim();
}

function results(sources: readonly string[], stream = new FakeStream(), phase: Phase = PHASE) {
  const run = (guest: Guest) => sources.map((source) => evaluate(guest, source));
  const got = inPhase(phase, run, { stream });
  return Object.fromEntries(sources.map((source, index) => [source, got[index]]));
}

function expectAll(expected: Readonly<Record<string, string>>, stream?: FakeStream): void {
  assert.deepEqual(results(Object.keys(expected), stream), expected);
}

function streamWith(values: Readonly<Record<string, PropertyValue | null>>): FakeStream {
  const stream = new FakeStream();
  Object.assign(stream.values, values);
  return stream;
}

describe("foreign function expr_evaluate serialises", () => {
  it("numbers, booleans and text", () => {
    expectAll({
      "1 + 1": "0 0 0200000000000000",
      "1u": "0 0 0100000000000000",
      "1.5": "0 0 000000000000f83f",
      true: "0 0 01",
      '"a" + "b"': "0 0 6162",
      '"\u00e9"': "0 0 c3a9",
      'b"\\xff"': "0 0 ff",
      "string(1)": "0 0 31",
      '"abc".matches("a.c")': "0 0 01",
    });
  });

  it("times as nanoseconds", () => {
    expectAll({
      'duration("1.5s")': "0 0 002f685900000000",
      'timestamp("2020-01-01T00:00:00Z")': "0 0 00008ab9359ae515",
    });
  });

  it("lists and maps as pairs blocks", () => {
    expectAll({
      '[1,"a"]': "0 0 020000000800000000000000010000000000000001000000000000000000610000",
      '{"a":1}': "0 0 0100000001000000080000006100010000000000000000",
      "[1,2].exists(x, x == 2)": "0 0 01",
    });
  });

  it("nothing else: SerializationFailure for null, types and families", () => {
    const stream = streamWith({ request: null });
    expectAll({ null: "0 3", "type(1)": "0 3", request: "0 3", "[null]": "0 3" }, stream);
  });
});

describe("foreign function expr_evaluate reads attributes", () => {
  const message = {
    kind: "message",
    encoded: Uint8Array.of(10, 1, 110),
    fields: { id: "n", metadata: { kind: "map", entries: { A: "b" } } },
  } as const;
  const stream = streamWith({
    request: null,
    "request.path": "/a",
    "request.headers": { kind: "map", entries: { "x-a": "1" } },
    "request.size": 7n,
    "request.time": { kind: "timestamp", ns: 1_700_000_000_000_000_001n },
    "request.duration": { kind: "duration", ns: 5n },
    xds: null,
    "xds.node": message,
    "xds.list": { kind: "list", items: ["p", "q"] },
    "xds.latin": "\xc3\xa9",
  });

  it("of every kind", () => {
    expectAll(
      {
        "request.path": "0 0 2f61",
        'request.headers["x-a"]': "0 0 31",
        'request.headers["X-A"]': "0 0 31",
        "size(request.headers)": "0 0 0100000000000000",
        "request.size > 6": "0 0 01",
        "request.time": "0 0 01002a36fe9c9717",
        "request.duration": "0 0 0500000000000000",
        "xds.node": "0 0 0a016e",
        "xds.node.id": "0 0 6e",
        "xds.node.metadata.A": "0 0 62",
        "xds.list[1]": "0 0 71",
        'xds.latin == "\u00e9"': "0 0 01",
        plugin_name: `0 0 ${Buffer.from("plugin").toString("hex")}`,
      },
      stream,
    );
  });

  it("that are messages which a guest set, for what they stand for", () => {
    const stored = (name: string, bytes: string) =>
      new StoredMessage(messageType(name), Buffer.from(bytes, "hex"));
    const node = stored("envoy.config.core.v3.Node", "0a016e");
    const own = streamWith({
      node_message: node,
      text: stored("google.protobuf.StringValue", "0a0178"),
      list: stored("google.protobuf.ListValue", "0a0208000a022001"),
      broken: stored("envoy.config.core.v3.Node", "0a7f"),
    });
    expectAll(
      {
        node_message: "0 0 0a016e",
        "node_message.id": "0 0 6e",
        "node_message.locality.zone": "0 0",
        "node_message.nothing": "0 10",
        "text == 'x'": "0 0 01",
        "list[0] == null && list[1]": "0 0 01",
        list: "0 3",
        broken: "0 10",
        "broken.id": "0 10",
      },
      own,
    );
  });

  it("that are missing as missing keys", () => {
    expectAll(
      {
        "request.referer": "0 10",
        "has(request.referer)": "0 0 00",
        "has(request.path)": "0 0 01",
        nosuch: "0 10",
        "1/0": "0 10",
      },
      stream,
    );
  });

  it("of the context that was called, whatever the effective one is", () => {
    const got = inPhase(
      PHASE,
      (guest) => {
        guest.call("proxy_set_effective_context", guest.root.id);
        return evaluate(guest, "request.path");
      },
      { stream },
    );
    assert.equal(got, "0 0 2f61");
  });

  it("of a root context: what roots know", () => {
    const got = results(["plugin_name", "request.path"], stream, "proxy_on_configure");
    assert.deepEqual(Object.values(got), ["0 0 706c7567696e", "0 10"]);
  });
});

describe("foreign function expr_create", () => {
  it("numbers from 0, and a number is lost to what parses but does not compile", () => {
    const got = inPhase(PHASE, (guest) =>
      ["1", "(", "nosuch()", '"a".nosuch()', "2"].map((source) =>
        foreign(guest, "expr_create", source),
      ),
    );
    assert.deepEqual(
      got.map(({ status, hex }) => `${status} ${hex}`),
      ["0 00000000", "2 ", "2 ", "2 ", "0 03000000"],
    );
  });

  it("answers BadArgument in the VM context", () => {
    assert.equal(
      inPhase("startUp", (guest) => foreign(guest, "expr_create", "1").status),
      2,
    );
  });

  it("refuses sources that are too long or too deep, and goes on", () => {
    expectAll({
      [`"${"a".repeat(LIMITS.celSourceBytes)}"`]: "2",
      [`${"(".repeat(8000)}1${")".repeat(8000)}`]: "2",
      [`${"[".repeat(8000)}1${"]".repeat(8000)}`]: "2",
      "1": "0 0 0100000000000000",
    });
  });

  it("gives a plugin no more expressions than the cap", () => {
    const statuses = inPhase(PHASE, (guest) => {
      const args = [...guest.put("expr_create"), ...guest.put("1"), 0, 0] as const;
      for (let i = 0; i < LIMITS.celExpressionsCount; i++) {
        assert.equal(guest.call("proxy_call_foreign_function", ...args), 0);
      }
      return [
        guest.call("proxy_call_foreign_function", ...args),
        foreign(guest, "expr_delete", word(5)).status,
        guest.call("proxy_call_foreign_function", ...args),
      ];
    });
    assert.deepEqual(statuses, [10, 0, 0]);
  });

  it("bounds the steps of all loops of an evaluation together", () => {
    const list = `[${Array<number>(40).fill(0).join(",")}]`;
    const nested = `${list}.all(a, ${list}.all(b, ${list}.all(c, ${list}.all(d, d == 0))))`;
    expectAll({ [nested]: "0 10", [`${list}.all(a, ${list}.all(b, b == 0))`]: "0 0 01" });
  });
});

describe("foreign functions expr_evaluate and expr_delete", () => {
  it("answer BadArgument unless the argument is four bytes", () => {
    const got = inPhase(PHASE, (guest) =>
      ["expr_evaluate", "expr_delete"].flatMap((name) =>
        ["", "abc", "abcde"].map((args) => foreign(guest, name, args).status),
      ),
    );
    assert.deepEqual(got, [2, 2, 2, 2, 2, 2]);
  });

  it("know no expression after it was deleted, nor one of another root", () => {
    const got = inPhase(PHASE, (guest) => {
      foreign(guest, "expr_create", "1");
      return [
        foreign(guest, "expr_evaluate", word(1)).status,
        foreign(guest, "expr_evaluate", word(0)).status,
        foreign(guest, "expr_delete", word(0)).status,
        foreign(guest, "expr_delete", word(0)).status,
        foreign(guest, "expr_evaluate", word(0)).status,
      ];
    });
    assert.deepEqual(got, [1, 0, 0, 0, 1]);
  });
});
