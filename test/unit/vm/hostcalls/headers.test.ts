import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { STATUS } from "../../../../src/abi/enums.ts";
import { decodePairs, pairsBlock } from "../../../../src/abi/pairs.ts";
import { HeaderMap } from "../../../../src/http/header-map.ts";
import { BAD_RANGE, HostcallFixture, OUT, OUT_LEN } from "../../../harness/hostcall-fixture.ts";

function withHeaders(abi = "0_2_1"): HostcallFixture {
  const fixture = new HostcallFixture(abi);
  fixture.stream.maps[0] = HeaderMap.of([
    [":authority", "example.com"],
    [":path", "/a"],
    ["x-two", "1"],
    ["x-two", "2"],
    ["x-empty", ""],
    ["x-bytes", "\u00ff\u0080"],
  ]);
  return fixture;
}

function entries(fixture: HostcallFixture, type = 0): [string, string][] {
  return fixture.stream.maps[type]?.entries() ?? [];
}

describe("proxy_get_header_map_value", () => {
  const get = (fixture: HostcallFixture, key: string, type = 0): number =>
    fixture.call("proxy_get_header_map_value", type, ...fixture.text(key), OUT, OUT_LEN);

  it("gives the first value, looked up without case, byte for byte", () => {
    const fixture = withHeaders();
    assert.equal(get(fixture, "X-Two"), STATUS.ok);
    assert.equal(fixture.result(), "1");
    assert.equal(get(fixture, "x-bytes"), STATUS.ok);
    assert.equal(fixture.result(), "\u00ff\u0080");
  });

  it("takes host for :authority in request headers", () => {
    const fixture = withHeaders();
    assert.equal(get(fixture, "Host"), STATUS.ok);
    assert.equal(fixture.result(), "example.com");
  });

  it("tells an empty value from an absent one, except for ABI 0.1.0", () => {
    const fixture = withHeaders();
    assert.equal(get(fixture, "x-empty"), STATUS.ok);
    assert.equal(fixture.vm.memory.readU32(OUT), 0);
    assert.equal(get(fixture, "x-none"), STATUS.notFound);
    assert.equal(get(withHeaders("0_1_0"), "x-none"), STATUS.ok);
  });

  it("refuses unknown map types and maps that are not there", () => {
    const fixture = withHeaders();
    assert.equal(get(fixture, "a", 8), STATUS.badArgument);
    assert.equal(get(fixture, "a", -1), STATUS.badArgument);
    assert.equal(get(fixture, "a", 2), STATUS.badArgument);
    assert.equal(get(fixture, "a", 6), STATUS.badArgument);
    fixture.enterRoot();
    assert.equal(get(fixture, ":path"), STATUS.badArgument);
  });

  it("in proxy_on_log answers NotFound for a map that is not there", () => {
    const fixture = withHeaders();
    fixture.enterLog();
    assert.equal(get(fixture, ":path"), STATUS.ok);
    assert.equal(get(fixture, ":path", 3), STATUS.notFound);
  });

  it("refuses ranges outside the memory, for the key and for the results", () => {
    const fixture = withHeaders();
    const name = "proxy_get_header_map_value";
    const key = fixture.text(":path");
    assert.equal(fixture.call(name, 0, ...BAD_RANGE, OUT, OUT_LEN), STATUS.invalidMemoryAccess);
    assert.equal(fixture.call(name, 0, ...key, -1, OUT_LEN), STATUS.invalidMemoryAccess);
    assert.equal(fixture.call(name, 0, ...key, OUT, 65_533), STATUS.invalidMemoryAccess);
  });
});

describe("proxy_get_header_map_pairs", () => {
  it("gives all entries in order", () => {
    const fixture = withHeaders();
    assert.equal(fixture.call("proxy_get_header_map_pairs", 0, OUT, OUT_LEN), STATUS.ok);
    const block = new Uint8Array(Buffer.from(fixture.result(), "latin1"));
    assert.deepEqual(decodePairs(block), { ok: true, pairs: entries(fixture) });
  });

  it("gives an empty result for maps that are not there, and no allocation", () => {
    const fixture = withHeaders();
    fixture.enterRoot();
    assert.equal(fixture.call("proxy_get_header_map_pairs", 0, OUT, OUT_LEN), STATUS.ok);
    assert.equal(fixture.result(), "");
    assert.equal(fixture.call("proxy_get_header_map_pairs", 8, OUT, OUT_LEN), STATUS.badArgument);
    assert.equal(fixture.call("proxy_get_header_map_pairs", 0, -4, 0), STATUS.invalidMemoryAccess);
  });
});

describe("proxy_get_header_map_size", () => {
  it("counts the bytes of names and values", () => {
    const fixture = withHeaders();
    assert.equal(fixture.call("proxy_get_header_map_size", 0, OUT), STATUS.ok);
    assert.equal(fixture.word(), fixture.stream.maps[0]?.byteSize);
    assert.equal(fixture.call("proxy_get_header_map_size", 1, OUT), STATUS.badArgument);
    assert.equal(fixture.call("proxy_get_header_map_size", 9, OUT), STATUS.badArgument);
    assert.equal(fixture.call("proxy_get_header_map_size", 0, -1), STATUS.invalidMemoryAccess);
  });
});

describe("proxy_add_header_map_value and proxy_replace_header_map_value", () => {
  const put = (
    fixture: HostcallFixture,
    verb: "add" | "replace",
    [name, value]: readonly [string, string],
  ): number =>
    fixture.call(
      `proxy_${verb}_header_map_value`,
      0,
      ...fixture.text(name),
      ...fixture.text(value),
    );

  it("append and replace, and tell the stream", () => {
    const fixture = withHeaders();
    assert.equal(put(fixture, "add", ["X-Two", "3"]), STATUS.ok);
    assert.deepEqual(entries(fixture).filter(([name]) => name === "x-two").length, 3);
    assert.equal(put(fixture, "replace", ["x-two", "9"]), STATUS.ok);
    assert.deepEqual(
      entries(fixture).filter(([name]) => name === "x-two"),
      [["x-two", "9"]],
    );
    assert.deepEqual(fixture.stream.calls, ["changed 0", "changed 0"]);
  });

  it("replace where a second value would be another message", () => {
    const fixture = withHeaders();
    put(fixture, "add", [":path", "/b"]);
    put(fixture, "add", ["content-length", "1"]);
    put(fixture, "add", ["content-length", "2"]);
    put(fixture, "add", ["host", "other"]);
    const map = fixture.stream.maps[0];
    assert.equal(map?.get(":path"), "/b");
    assert.equal(map?.getJoined("content-length"), "2");
    assert.equal(map?.getJoined(":authority"), "other");
    assert.equal(map?.has("host"), false);
  });

  it("drop entries that could break a message, with a log line", () => {
    const bad = [
      ["x-a", "1\r\nx-b: 2"],
      ["x-a", "1\0"],
      ["x-a\n", "1"],
      ["x a", "1"],
      ["x-a:", "1"],
      ["", "1"],
      [":", "1"],
      ["\u00e9", "1"],
    ] as const;
    for (const entry of bad) {
      for (const verb of ["add", "replace"] as const) {
        const fixture = withHeaders();
        const before = entries(fixture);
        assert.equal(put(fixture, verb, entry), STATUS.ok);
        assert.deepEqual(entries(fixture), before);
        assert.match(fixture.thread.lines.at(-1) ?? "", /dropped/);
      }
    }
  });

  it("are refused, with a reason in the log, where the map cannot be changed", () => {
    const fixture = withHeaders();
    fixture.stream.writableMaps.clear();
    assert.equal(put(fixture, "add", ["a", "b"]), STATUS.badArgument);
    assert.match(
      fixture.thread.lines.at(-1) ?? "",
      /cannot be changed in proxy_on_request_headers/,
    );
    assert.equal(put(fixture, "replace", ["a", "b"]), STATUS.badArgument);
  });

  it("are refused on roots and in proxy_on_log", () => {
    const fixture = withHeaders();
    fixture.enterRoot();
    assert.equal(put(fixture, "add", ["a", "b"]), STATUS.badArgument);
    fixture.enterLog();
    assert.equal(put(fixture, "replace", ["a", "b"]), STATUS.badArgument);
  });

  it("check map type and ranges", () => {
    const fixture = withHeaders();
    for (const name of ["proxy_add_header_map_value", "proxy_replace_header_map_value"] as const) {
      const a = fixture.text("a");
      assert.equal(fixture.call(name, 8, ...a, ...a), STATUS.badArgument);
      assert.equal(fixture.call(name, 0, ...BAD_RANGE, ...a), STATUS.invalidMemoryAccess);
      assert.equal(fixture.call(name, 0, ...a, ...BAD_RANGE), STATUS.invalidMemoryAccess);
    }
  });
});

describe("proxy_remove_header_map_value", () => {
  const remove = (fixture: HostcallFixture, type: number, key: string): number =>
    fixture.call("proxy_remove_header_map_value", type, ...fixture.text(key));

  it("removes every entry of the name; an absent one is fine", () => {
    const fixture = withHeaders();
    assert.equal(remove(fixture, 0, "X-TWO"), STATUS.ok);
    assert.equal(fixture.stream.maps[0]?.has("x-two"), false);
    assert.deepEqual(fixture.stream.calls, ["changed 0"]);
    assert.equal(remove(fixture, 0, "x-two"), STATUS.ok);
    assert.deepEqual(fixture.stream.calls, ["changed 0"]);
  });

  it("is refused for unknown and missing maps and bad ranges", () => {
    const fixture = withHeaders();
    assert.equal(remove(fixture, 8, "a"), STATUS.badArgument);
    assert.equal(remove(fixture, 2, "a"), STATUS.badArgument);
    const status = fixture.call("proxy_remove_header_map_value", 0, ...BAD_RANGE);
    assert.equal(status, STATUS.invalidMemoryAccess);
  });
});

describe("proxy_set_header_map_pairs", () => {
  const set = (fixture: HostcallFixture, block: Uint8Array): number =>
    fixture.call("proxy_set_header_map_pairs", 0, ...fixture.bytes(block));

  it("replaces the whole map", () => {
    const fixture = withHeaders();
    const pairs: [string, string][] = [
      [":path", "/new"],
      ["X-A", "1"],
      ["x-a", "2"],
    ];
    assert.equal(set(fixture, pairsBlock(pairs)), STATUS.ok);
    assert.deepEqual(entries(fixture), [
      [":path", "/new"],
      ["x-a", "1"],
      ["x-a", "2"],
    ]);
    assert.deepEqual(fixture.stream.calls, ["changed 0"]);
  });

  it("with an empty block empties the map", () => {
    const fixture = withHeaders();
    assert.equal(set(fixture, new Uint8Array(0)), STATUS.ok);
    assert.equal(fixture.stream.maps[0]?.count, 0);
  });

  it("with a malformed block changes nothing and says so", () => {
    const fixture = withHeaders();
    const before = entries(fixture);
    assert.equal(set(fixture, Uint8Array.of(9, 9, 9)), STATUS.ok);
    assert.deepEqual(entries(fixture), before);
    assert.match(fixture.thread.lines.at(-1) ?? "", /malformed pairs \(truncated\)/);
  });

  it("leaves out entries that could break a message", () => {
    const fixture = withHeaders();
    set(
      fixture,
      pairsBlock([
        ["a", "1\r\n"],
        ["b", "2"],
      ]),
    );
    assert.deepEqual(entries(fixture), [["b", "2"]]);
  });

  it("is refused for unknown and unchangeable maps and bad ranges", () => {
    const fixture = withHeaders();
    const name = "proxy_set_header_map_pairs";
    assert.equal(fixture.call(name, 8, 0, 0), STATUS.badArgument);
    assert.equal(fixture.call(name, 2, 0, 0), STATUS.badArgument);
    assert.equal(fixture.call(name, 0, ...BAD_RANGE), STATUS.invalidMemoryAccess);
  });
});
