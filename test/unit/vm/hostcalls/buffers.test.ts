import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { STATUS } from "../../../../src/abi/enums.ts";
import { BAD_RANGE, HostcallFixture, OUT, OUT_LEN } from "../../../harness/hostcall-fixture.ts";

const BODY = 0;

function withBody(body: string, abi = "0_2_1"): HostcallFixture {
  const fixture = new HostcallFixture(abi);
  fixture.stream.bodies[BODY] = new Uint8Array(Buffer.from(body));
  return fixture;
}

function get(fixture: HostcallFixture, type: number, range: readonly [number, number]): number {
  return fixture.call("proxy_get_buffer_bytes", type, ...range, OUT, OUT_LEN);
}

function textOf(fixture: HostcallFixture): string {
  return Buffer.from(fixture.stream.bodies[BODY] ?? []).toString();
}

describe("proxy_get_buffer_bytes", () => {
  it("gives the part that exists of what is asked for", () => {
    const cases: [number, number, string][] = [
      [0, 6, "abcdef"],
      [0, 0xffffffff, "abcdef"],
      [0, 0x7fffffff, "abcdef"],
      [2, 3, "cde"],
      [5, -1, "f"],
      [6, 1, ""],
      [7, 1, ""],
      [-1, -1, ""],
      [0, 0, ""],
    ];
    for (const [start, max, expected] of cases) {
      const fixture = withBody("abcdef");
      assert.equal(get(fixture, BODY, [start, max]), STATUS.ok, `${start} ${max}`);
      assert.equal(fixture.result(), expected, `${start} ${max}`);
    }
  });

  it("gives nothing for a body outside its phase, and for roots", () => {
    const fixture = withBody("abc");
    assert.equal(get(fixture, 1, [0, 9]), STATUS.ok);
    assert.equal(fixture.result(), "");
    fixture.enterRoot();
    assert.equal(get(fixture, BODY, [0, 9]), STATUS.ok);
    assert.equal(fixture.result(), "");
    fixture.enterLog();
    assert.equal(get(fixture, BODY, [0, 9]), STATUS.ok);
    assert.equal(fixture.result(), "");
  });

  it("gives the VM configuration always and the plugin configuration in proxy_on_configure", () => {
    const fixture = withBody("");
    fixture.enterVm();
    assert.equal(get(fixture, 6, [3, 99]), STATUS.ok);
    assert.equal(fixture.result(), "config");
    assert.equal(get(fixture, 7, [0, 99]), STATUS.notFound);
    fixture.enterRoot();
    assert.equal(get(fixture, 7, [0, 99]), STATUS.notFound);
    fixture.vm.call.pluginConfigReadable = true;
    assert.equal(get(fixture, 7, [0, 6]), STATUS.ok);
    assert.equal(fixture.result(), "plugin");
  });

  it("has no callout body outside a callout, and empty gRPC and call data", () => {
    const fixture = withBody("");
    assert.equal(get(fixture, 4, [0, 9]), STATUS.notFound);
    assert.equal(get(fixture, 5, [0, 9]), STATUS.ok);
    assert.equal(get(fixture, 8, [0, 9]), STATUS.ok);
  });

  it("refuses unknown types; type 9 belongs to ABI 0.2.100", () => {
    assert.equal(get(withBody(""), 9, [0, 9]), STATUS.badArgument);
    assert.equal(get(withBody("", "0_2_100"), 9, [0, 9]), STATUS.notFound);
    assert.equal(get(withBody("", "0_2_100"), 10, [0, 9]), STATUS.badArgument);
    assert.equal(get(withBody(""), -1, [0, 9]), STATUS.badArgument);
  });

  it("refuses out-parameters outside the memory", () => {
    const fixture = withBody("abc");
    const name = "proxy_get_buffer_bytes";
    assert.equal(fixture.call(name, BODY, 0, 9, -1, OUT_LEN), STATUS.invalidMemoryAccess);
    assert.equal(fixture.call(name, BODY, 0, 0, OUT, -1), STATUS.invalidMemoryAccess);
  });
});

describe("proxy_get_buffer_status", () => {
  const status = (fixture: HostcallFixture, type: number): number =>
    fixture.call("proxy_get_buffer_status", type, OUT, OUT_LEN);

  it("gives the readable size and no flags", () => {
    const fixture = withBody("abc");
    fixture.vm.memory.writeU32(OUT_LEN, 99);
    assert.equal(status(fixture, BODY), STATUS.ok);
    assert.equal(fixture.word(), 3);
    assert.equal(fixture.vm.memory.readU32(OUT_LEN), 0);
    assert.equal(status(fixture, 1), STATUS.ok);
    assert.equal(fixture.word(), 0);
  });

  it("answers for missing buffers, unknown types and bad ranges", () => {
    const fixture = withBody("abc");
    assert.equal(status(fixture, 7), STATUS.notFound);
    assert.equal(status(fixture, 9), STATUS.badArgument);
    const name = "proxy_get_buffer_status";
    assert.equal(fixture.call(name, BODY, -1, OUT_LEN), STATUS.invalidMemoryAccess);
    assert.equal(fixture.call(name, BODY, OUT, 65_534), STATUS.invalidMemoryAccess);
  });
});

describe("proxy_set_buffer_bytes", () => {
  const set = (
    fixture: HostcallFixture,
    [start, length]: readonly [number, number],
    data: string,
  ): number => fixture.call("proxy_set_buffer_bytes", BODY, start, length, ...fixture.text(data));

  it("prepends, replaces, appends and splices", () => {
    const cases: [string, number, number, string, string][] = [
      ["abc", 0, 0, "X", "Xabc"],
      ["abc", 0, 2, "X", "Xc"],
      ["abc", 0, 3, "X", "X"],
      ["abc", 0, 0x7fffffff, "X", "X"],
      ["abc", 0, 0xffffffff, "X", "X"],
      ["abc", 3, 0, "X", "abcX"],
      ["abc", 0x7fffffff, 0, "X", "abcX"],
      ["abc", 0xffffffff, 0xffffffff, "X", "abcX"],
      ["abc", 1, 1, "XY", "aXYc"],
      ["abc", 1, 99, "X", "aX"],
      ["abc", 0, 2, "", "c"],
      ["", 0, 0, "X", "X"],
      ["", 5, 5, "X", "X"],
    ];
    for (const [body, start, length, data, expected] of cases) {
      const fixture = withBody(body);
      assert.equal(set(fixture, [start, length], data), STATUS.ok);
      assert.equal(textOf(fixture), expected, `${body} ${start} ${length}`);
    }
  });

  it("keeps a copy of the data, not the guest's memory", () => {
    const fixture = withBody("");
    const [at] = fixture.text("abc");
    fixture.call("proxy_set_buffer_bytes", BODY, 0, 0, at, 3);
    fixture.vm.memory.writeLatin1(at, "xyz");
    assert.equal(textOf(fixture), "abc");
  });

  it("is refused where there is no body, and for buffers nobody can change", () => {
    const fixture = withBody("");
    const data = fixture.text("a");
    const call = (type: number): number =>
      fixture.call("proxy_set_buffer_bytes", type, 0, 0, ...data);
    assert.equal(call(1), STATUS.badArgument);
    assert.match(fixture.thread.lines.at(-1) ?? "", /cannot be changed/);
    assert.equal(call(4), STATUS.notFound);
    assert.equal(call(7), STATUS.notFound);
    assert.equal(call(6), STATUS.badArgument);
    assert.equal(call(9), STATUS.badArgument);
    fixture.enterRoot();
    assert.equal(call(BODY), STATUS.badArgument);
    fixture.enterLog();
    assert.equal(call(BODY), STATUS.badArgument);
  });

  it("refuses data outside the memory", () => {
    const fixture = withBody("abc");
    const status = fixture.call("proxy_set_buffer_bytes", BODY, 0, 0, ...BAD_RANGE);
    assert.equal(status, STATUS.invalidMemoryAccess);
  });
});
