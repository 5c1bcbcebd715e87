/** `declare_property` and `set_envoy_filter_state`. Statuses are what Envoy 1.40 answers. */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, it } from "node:test";
import { type WireField, wireMessage } from "../../../src/abi/protobuf-wire.ts";
import { LIMITS } from "../../../src/base/limits.ts";
import { FakeStream } from "../../harness/fake-roles.ts";
import { Guest, inPhase } from "../guest.ts";

const PHASE = "proxy_on_request_headers";

function foreign(guest: Guest, name: string, args: readonly WireField[] | Uint8Array): number {
  const bytes = args instanceof Uint8Array ? args : wireMessage(args);
  const wire = [...guest.put(name), ...guest.put(bytes)] as const;
  return guest.call("proxy_call_foreign_function", ...wire, 0, 0);
}

const set = (guest: Guest, name: string, value: string): number =>
  guest.call("proxy_set_property", ...guest.put(name), ...guest.put(value));

/** Declares in proxy_on_configure, then runs `code` in the request headers of `stream`. */
function afterDeclaring<T>(fields: readonly WireField[], code: (guest: Guest) => T) {
  const stream = new FakeStream();
  const statuses: number[] = [];
  const results: T[] = [];
  const guest = new Guest();
  guest.on("proxy_on_configure", (inner) => {
    statuses.push(foreign(inner, "declare_property", fields));
    return 1;
  });
  guest.on(PHASE, (inner) => {
    results.push(code(inner));
    return 0;
  });
  guest.start().open(stream).onRequestHeaders(1, false);
  return { stream, declared: statuses[0], result: results[0] };
}

describe("foreign function declare_property", () => {
  it("loads the table of messages for the first message, for nothing before", () => {
    const loaded = (): boolean =>
      Object.keys(createRequire(import.meta.url).cache).some((name) =>
        name.endsWith("message-table.cjs"),
      );
    const declare = (guest: Guest, name: string, type: bigint): number => {
      return foreign(guest, "declare_property", [
        [1, name],
        [3, type],
        [4, "type.googleapis.com/envoy.config.core.v3.Node"],
      ]);
    };
    const got = inPhase("proxy_on_configure", (guest) => [
      declare(guest, "a", 0n),
      declare(guest, "b", 2n),
      loaded(),
      declare(guest, "c", 3n),
      loaded(),
    ]);
    assert.deepEqual(got, [0, 0, false, 0, true]);
  });

  it("makes a property read-only: the first value stays", () => {
    const { stream, declared, result } = afterDeclaring(
      [
        [1, "mine"],
        [2, true],
      ],
      (guest) => [set(guest, "mine", "one"), set(guest, "mine", "two")],
    );
    assert.deepEqual([declared, result], [0, [0, 2]]);
    assert.equal(Buffer.from(stream.stored.get("wasm.mine") ?? "").toString(), "one");
  });

  it("chooses type and span", () => {
    const fields: WireField[] = [
      [1, "mine"],
      [3, 1n],
      [5, 2n],
    ];
    const { stream } = afterDeclaring(fields, (guest) => set(guest, "mine", "x"));
    const declaration = { readOnly: false, type: 1, span: 2, message: null };
    assert.deepEqual(stream.declarations.get("wasm.mine"), declaration);
  });

  it("finds the message of a type URL, of no other type and of no other text", () => {
    const messageOf = (type: bigint, schema: string): string | undefined => {
      const fields: WireField[] = [
        [1, "mine"],
        [3, type],
        [4, schema],
      ];
      const { stream } = afterDeclaring(fields, (guest) => set(guest, "mine", "x"));
      return stream.declarations.get("wasm.mine")?.message?.name;
    };
    const node = "envoy.config.core.v3.Node";
    assert.equal(messageOf(3n, `type.googleapis.com/${node}`), node);
    assert.equal(messageOf(0n, `type.googleapis.com/${node}`), undefined);
    assert.equal(messageOf(3n, node), undefined);
    assert.equal(messageOf(3n, "type.googleapis.com/no.such.Message"), undefined);
  });

  it("takes numbers that it does not know for the first of their kind", () => {
    const fields: WireField[] = [
      [1, "mine"],
      [3, 9n],
      [5, 9n],
    ];
    const { stream } = afterDeclaring(fields, (guest) => set(guest, "mine", "x"));
    const declaration = { readOnly: false, type: 0, span: 0, message: null };
    assert.deepEqual(stream.declarations.get("wasm.mine"), declaration);
  });

  it("answers BadArgument for a second declaration and for bytes that are no message", () => {
    const got = inPhase("proxy_on_configure", (guest) => [
      foreign(guest, "declare_property", [[1, "a"]]),
      foreign(guest, "declare_property", [[1, "a"]]),
      foreign(guest, "declare_property", Buffer.from("ffff", "hex")),
      foreign(guest, "declare_property", [
        [1, "b"],
        [4, Uint8Array.of(0xff)],
      ]),
      foreign(guest, "declare_property", []),
    ]);
    assert.deepEqual(got, [0, 2, 2, 2, 0]);
  });

  it("has no effect from a stream: declarations are the root's", () => {
    const got = inPhase(PHASE, (guest) => [
      foreign(guest, "declare_property", [
        [1, "mine"],
        [2, true],
      ]),
      foreign(guest, "declare_property", [[1, "mine"]]),
      set(guest, "mine", "1"),
      set(guest, "mine", "2"),
    ]);
    assert.deepEqual(got, [0, 2, 0, 0]);
  });

  it("takes no more declarations than the cap", () => {
    const last = inPhase("proxy_on_configure", (guest) => {
      const name = guest.put("declare_property");
      const args = guest.put(wireMessage([[1, "0000"]]));
      const declare = (i: number): number => {
        guest.vm.memory.writeLatin1(args[0] + 2, String(i).padStart(4, "0"));
        return guest.call("proxy_call_foreign_function", ...name, ...args, 0, 0);
      };
      for (let i = 0; i < LIMITS.declaredPropertiesCount; i++) assert.equal(declare(i), 0);
      return declare(LIMITS.declaredPropertiesCount);
    });
    assert.equal(last, 2);
  });

  it("answers BadArgument in the VM context", () => {
    assert.equal(
      inPhase("startUp", (guest) => foreign(guest, "declare_property", [])),
      2,
    );
  });
});

describe("foreign function set_envoy_filter_state", () => {
  it("stores text under a name that the host knows", () => {
    const stream = new FakeStream();
    const fields: WireField[] = [
      [1, "envoy.string"],
      [2, "text"],
      [3, 2n],
    ];
    const run = (guest: Guest) => foreign(guest, "set_envoy_filter_state", fields);
    assert.equal(inPhase(PHASE, run, { stream }), 0);
    assert.equal(Buffer.from(stream.stored.get("envoy.string") ?? "").toString(), "text");
    const declaration = { readOnly: false, type: 1, span: 2, message: null };
    assert.deepEqual(stream.declarations.get("envoy.string"), declaration);
  });

  it("answers NotFound for another name, and where there is no stream", () => {
    const known: WireField[] = [
      [1, "envoy.string"],
      [2, "v"],
    ];
    const other: WireField[] = [
      [1, "nosuch"],
      [2, "v"],
    ];
    assert.equal(
      inPhase(PHASE, (guest) => foreign(guest, "set_envoy_filter_state", other)),
      1,
    );
    assert.equal(
      inPhase(PHASE, (guest) => foreign(guest, "set_envoy_filter_state", [])),
      1,
    );
    const atRoot = (guest: Guest) => foreign(guest, "set_envoy_filter_state", known);
    assert.equal(inPhase("proxy_on_configure", atRoot), 1);
  });

  it("knows the cluster of a connection, on a connection alone", () => {
    const fields: WireField[] = [
      [1, "envoy.tcp_proxy.cluster"],
      [2, "other"],
    ];
    const onHttp = (guest: Guest) => foreign(guest, "set_envoy_filter_state", fields);
    assert.equal(inPhase(PHASE, onHttp), 1);
    const stream = new FakeStream();
    stream.kind = "tcp";
    const guest = new Guest();
    const statuses: number[] = [];
    guest.on("proxy_on_new_connection", (inner) => {
      statuses.push(foreign(inner, "set_envoy_filter_state", fields));
      return 0;
    });
    guest.start();
    guest.open(stream).onNetwork(guest.vm.entries.proxy_on_new_connection, 0, 0);
    assert.deepEqual(statuses, [0]);
    assert.equal(
      Buffer.from(stream.stored.get("envoy.tcp_proxy.cluster") ?? "").toString(),
      "other",
    );
  });

  it("answers BadArgument for bytes that are no message", () => {
    const bad = Buffer.from("ffff", "hex");
    assert.equal(
      inPhase(PHASE, (guest) => foreign(guest, "set_envoy_filter_state", bad)),
      2,
    );
  });
});
