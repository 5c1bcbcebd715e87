import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PropertyValue } from "../../src/config/types.ts";
import { FakeStream } from "../harness/fake-roles.ts";
import {
  ENDED_PHASES,
  type Guest,
  inPhase,
  OUTSIDE,
  OUTSIDE_PTR,
  type Phase,
  type Result,
  ROOT_PHASES,
} from "./guest.ts";

function streamWith(values: Readonly<Record<string, PropertyValue | null>>): FakeStream {
  const stream = new FakeStream();
  Object.assign(stream.values, values);
  return stream;
}

const read =
  (path: string) =>
  (guest: Guest): Result =>
    guest.fetch("proxy_get_property", ...guest.put(path));

/** Reads `a` of a stream where it has `value`; the bytes in hex. */
function encoded(value: PropertyValue): string {
  const stream = streamWith({ a: value });
  const result = inPhase("proxy_on_request_headers", read("a"), { stream });
  assert.equal(result.status, 0);
  return Buffer.from(result.text ?? "", "latin1").toString("hex");
}

describe("proxy_get_property works", () => {
  it("gives text as it is", () => {
    assert.equal(encoded("GET"), Buffer.from("GET").toString("hex"));
    assert.equal(encoded("\u00e9\u00ff"), "e9ff");
  });

  it("gives integers as 8 bytes, little-endian", () => {
    assert.equal(encoded(200n), "c800000000000000");
    assert.equal(encoded(-1n), "ffffffffffffffff");
  });

  it("gives doubles, booleans, times and durations in their own widths", () => {
    assert.equal(encoded(1.5), "000000000000f83f");
    assert.equal(encoded(true), "01");
    assert.equal(encoded(false), "00");
    assert.equal(encoded({ kind: "duration", ns: 1_000n }), "e803000000000000");
    assert.equal(encoded({ kind: "timestamp", ns: 2n }), "0200000000000000");
  });

  it("gives bytes and messages as they are", () => {
    assert.equal(encoded(Uint8Array.of(0, 255)), "00ff");
    assert.equal(encoded({ kind: "message", encoded: Uint8Array.of(8, 1), fields: {} }), "0801");
  });

  it("gives a map as pairs, an empty map as four zero bytes", () => {
    const pair = "01000000" + "01000000" + "01000000" + "6100" + "3100";
    assert.equal(encoded({ kind: "map", entries: { a: "1" } }), pair);
    assert.equal(encoded({ kind: "map", entries: {} }), "00000000");
  });

  it("gives a list as pairs with the elements as keys", () => {
    const block = "01000000" + "01000000" + "00000000" + "6100" + "00";
    assert.equal(encoded({ kind: "list", items: ["a"] }), block);
  });

  it("joins the parts of a path at NUL and ignores one at the end", () => {
    const stream = streamWith({ "request.path": "/x" });
    const phase = "proxy_on_request_headers";
    assert.equal(inPhase(phase, read("request\0path"), { stream }).text, "/x");
    assert.equal(inPhase(phase, read("request\0path\0"), { stream }).text, "/x");
  });

  it("keeps a dot inside a part", () => {
    const stream = new FakeStream();
    const paths: string[][] = [];
    stream.properties.property = (path) => {
      paths.push([...path]);
      return undefined;
    };
    inPhase("proxy_on_request_headers", read("metadata\0envoy.lb\0key"), { stream });
    assert.deepEqual(paths, [["metadata", "envoy.lb", "key"]]);
  });
});

describe("proxy_get_property misuse", () => {
  const stream = streamWith({ a: "value", request: null });
  const phase = "proxy_on_request_headers";

  it("answers NotFound for what does not exist, and writes nothing", () => {
    const result = inPhase(phase, read("nonsense"), { stream });
    assert.deepEqual([result.status, result.text], [1, null]);
  });

  it("answers SerializationFailure for the empty path and for values without bytes", () => {
    assert.equal(inPhase(phase, read(""), { stream }).status, 3);
    assert.equal(inPhase(phase, read("request"), { stream }).status, 3);
    const nulls = streamWith({ list: { kind: "list", items: [null] } });
    assert.equal(inPhase(phase, read("list"), { stream: nulls }).status, 3);
  });

  it("answers InvalidMemoryAccess for a path or out-parameters outside the memory", () => {
    const statuses = inPhase(
      phase,
      (guest) => [
        guest.fetch("proxy_get_property", ...OUTSIDE).status,
        guest.call("proxy_get_property", ...guest.put("a"), OUTSIDE_PTR, guest.out()),
        guest.call("proxy_get_property", ...guest.put("a"), guest.out(), OUTSIDE_PTR),
      ],
      { stream },
    );
    assert.deepEqual(statuses, [6, 6, 6]);
  });

  it("answers InvalidMemoryAccess when the allocator gives nothing or too little", () => {
    for (const ptr of [0, OUTSIDE_PTR]) {
      const status = inPhase(
        phase,
        (guest) => {
          guest.allocate = () => ptr;
          return read("a")(guest).status;
        },
        { stream },
      );
      assert.equal(status, 6);
    }
  });
});

describe("proxy_get_property in every phase", () => {
  const phases: readonly Phase[] = [...ROOT_PHASES, "proxy_on_response_body", ...ENDED_PHASES];

  for (const phase of phases.filter((name) => name !== "startUp")) {
    it(`knows the plugin in ${phase}`, () => {
      const got = inPhase(phase, (guest) =>
        ["plugin_name", "plugin_root_id", "plugin_vm_id"].map((name) => read(name)(guest).text),
      );
      assert.deepEqual(got, ["plugin", "root", "vm"]);
    });
  }

  it("knows the root id inside the first proxy_on_context_create", () => {
    assert.equal(inPhase("proxy_on_context_create", read("plugin_root_id")).text, "root");
  });

  it("knows the VM alone at start-up", () => {
    assert.equal(inPhase("startUp", read("plugin_vm_id")).text, "vm");
    assert.equal(inPhase("startUp", read("request\0path")).status, 1);
  });

  it("answers NotFound for stream attributes on a root", () => {
    for (const phase of ["proxy_on_vm_start", "proxy_on_configure", "tick"] as const) {
      assert.equal(inPhase(phase, read("request\0path")).status, 1);
    }
  });

  it("asks the thread for attributes of the node on a root", () => {
    const result = inPhase("tick", (guest) => {
      guest.thread.rootValues["node.id"] = "edge-1";
      return read("node\0id")(guest);
    });
    assert.equal(result.text, "edge-1");
  });

  it("reads stream attributes while logging", () => {
    const stream = streamWith({ "response.code": 200n });
    assert.equal(inPhase("proxy_on_log", read("response\0code"), { stream }).status, 0);
  });
});

describe("proxy_get_property edges", () => {
  it("gives pointer 0 and length 0 for an empty value, without an allocation", () => {
    const got = inPhase(
      "proxy_on_request_headers",
      (guest) => ({ ...read("a")(guest), allocations: guest.allocations }),
      { stream: streamWith({ a: "" }) },
    );
    assert.deepEqual(got, { status: 0, ptr: 0, len: 0, text: "", allocations: [] });
  });

  it("allocates exactly as many bytes as the value has", () => {
    const sizes = inPhase(
      "proxy_on_request_headers",
      (guest) => {
        read("a")(guest);
        return guest.allocations;
      },
      { stream: streamWith({ a: "12345" }) },
    );
    assert.deepEqual(sizes, [5]);
  });

  it("writes to memory that the allocator has just grown", () => {
    const text = inPhase(
      "proxy_on_request_headers",
      (guest) => {
        guest.allocate = () => {
          guest.grow(3);
          return 5 * 65_536;
        };
        return read("a")(guest).text;
      },
      { stream: streamWith({ a: "moved" }) },
    );
    assert.equal(text, "moved");
  });

  it("reads the direction of the listener and the names of the plugin with a trailing NUL", () => {
    assert.equal(inPhase("tick", read("listener_direction")).text, "\u0001\0\0\0\0\0\0\0");
    assert.equal(inPhase("tick", read("plugin_name\0")).text, "plugin");
  });
});
