import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { STATUS } from "../../../../src/abi/enums.ts";
import { HOSTCALL_NAMES, HOSTCALLS } from "../../../../src/abi/hostcall-table.ts";
import { type HostcallSpec, WIRE_ARITY } from "../../../../src/abi/hostcall-types.ts";
import { LIMITS } from "../../../../src/base/limits.ts";
import { createHostcalls, IMPLEMENTED_HOSTCALLS } from "../../../../src/vm/hostcalls/bodies.ts";
import { servedImport } from "../../../../src/vm/served.ts";
import { BAD_RANGE, HostcallFixture, OUT, OUT_LEN } from "../../../harness/hostcall-fixture.ts";

describe("proxy_log", () => {
  const log = (fixture: HostcallFixture, level: number, text: string): number =>
    fixture.call("proxy_log", level, ...fixture.text(text));

  it("writes the line with Envoy's prefix, or the VM's in start-up", () => {
    const fixture = new HostcallFixture();
    assert.equal(log(fixture, 2, "hello"), STATUS.ok);
    fixture.enterVm();
    assert.equal(log(fixture, 5, "early"), STATUS.ok);
    assert.deepEqual(fixture.thread.lines, [
      "2 wasm log plugin root vm: hello",
      "5 wasm log vm: early",
    ]);
  });

  it("decodes UTF-8 and cuts what is too long", () => {
    const fixture = new HostcallFixture();
    fixture.vm.memory.writeBytes(1024, Buffer.from("gr\u00fc\u00df"));
    fixture.call("proxy_log", 2, 1024, 6);
    assert.match(fixture.thread.lines[0] ?? "", /gr\u00fc\u00df$/);
    fixture.call("proxy_log", 2, 0, 65_536);
    assert.ok((fixture.thread.lines[1]?.length ?? 0) <= LIMITS.guestLogLineBytes + 50);
  });

  it("is silent below the threshold, but still checks its arguments", () => {
    const fixture = new HostcallFixture();
    fixture.thread.level = 3;
    assert.equal(log(fixture, 2, "quiet"), STATUS.ok);
    assert.deepEqual(fixture.thread.lines, []);
    assert.equal(fixture.call("proxy_log", 2, ...BAD_RANGE), STATUS.invalidMemoryAccess);
    assert.equal(log(fixture, 6, "x"), STATUS.badArgument);
    assert.equal(log(fixture, -1, "x"), STATUS.badArgument);
  });
});

describe("proxy_get_log_level", () => {
  it("gives the threshold, critical standing for off", () => {
    const fixture = new HostcallFixture();
    fixture.thread.level = 6;
    assert.equal(fixture.call("proxy_get_log_level", OUT), STATUS.ok);
    assert.equal(fixture.word(), 5);
    assert.equal(fixture.call("proxy_get_log_level", -1), STATUS.invalidMemoryAccess);
  });
});

describe("proxy_get_current_time_nanoseconds", () => {
  it("gives the wall clock", () => {
    const fixture = new HostcallFixture();
    const name = "proxy_get_current_time_nanoseconds";
    assert.equal(fixture.call(name, OUT), STATUS.ok);
    assert.equal(fixture.long(), fixture.thread.timers.wallNs());
    assert.equal(fixture.call(name, 65_530), STATUS.invalidMemoryAccess);
  });
});

describe("proxy_set_tick_period_milliseconds", () => {
  it("sets the timer of the root, from a stream too; 0 stops it", () => {
    const fixture = new HostcallFixture();
    const name = "proxy_set_tick_period_milliseconds";
    assert.equal(fixture.call(name, 10), STATUS.ok);
    assert.equal(fixture.call(name, 20), STATUS.ok);
    assert.equal(fixture.thread.timers.pendingCount, 1);
    assert.equal(fixture.call(name, 0), STATUS.ok);
    assert.equal(fixture.thread.timers.pendingCount, 0);
    assert.equal(fixture.call(name, -1), STATUS.ok);
    fixture.enterVm();
    assert.equal(fixture.call(name, 10), STATUS.badArgument);
  });
});

describe("proxy_get_configuration", () => {
  it("gives the plugin's in proxy_on_configure and else the VM's", () => {
    const fixture = new HostcallFixture("0_1_0");
    fixture.enterRoot();
    assert.equal(fixture.call("proxy_get_configuration", OUT, OUT_LEN), STATUS.ok);
    assert.equal(fixture.result(), "vm config");
    fixture.vm.call.pluginConfigReadable = true;
    assert.equal(fixture.call("proxy_get_configuration", OUT, OUT_LEN), STATUS.ok);
    assert.equal(fixture.result(), "plugin config");
    const bad = fixture.call("proxy_get_configuration", -1, OUT_LEN);
    assert.equal(bad, STATUS.invalidMemoryAccess);
  });
});

describe("metrics", () => {
  function define(fixture: HostcallFixture, kind: number, name: string): number {
    const status = fixture.call("proxy_define_metric", kind, ...fixture.text(name), OUT);
    assert.equal(status, STATUS.ok);
    return fixture.word();
  }

  it("have ids with the kind in the low bits, the same stat for the same name", () => {
    const fixture = new HostcallFixture();
    const [counter, gauge, histogram] = [0, 1, 2].map((kind) => define(fixture, kind, "m"));
    assert.deepEqual(
      [counter, gauge, histogram].map((id) => (id ?? 0) & 3),
      [0, 1, 2],
    );
    assert.ok((counter ?? 0) >= 4);
    const again = define(fixture, 0, "m");
    fixture.call("proxy_increment_metric", again, 2n);
    assert.equal(fixture.call("proxy_get_metric", counter ?? 0, OUT), STATUS.ok);
    assert.equal(fixture.long(), 2n);
  });

  it("count up, count both ways and observe", () => {
    const fixture = new HostcallFixture();
    const counter = define(fixture, 0, "c");
    const gauge = define(fixture, 1, "g");
    const histogram = define(fixture, 2, "h");
    assert.equal(fixture.call("proxy_increment_metric", counter, 3n), STATUS.ok);
    assert.equal(fixture.call("proxy_record_metric", counter, 4n), STATUS.ok);
    fixture.call("proxy_get_metric", counter, OUT);
    assert.equal(fixture.long(), 7n, "recording a counter adds");
    assert.equal(fixture.call("proxy_record_metric", gauge, 5n), STATUS.ok);
    assert.equal(fixture.call("proxy_increment_metric", gauge, -2n), STATUS.ok);
    fixture.call("proxy_get_metric", gauge, OUT);
    assert.equal(fixture.long(), 3n);
    assert.equal(fixture.call("proxy_record_metric", histogram, -1n), STATUS.ok);
    const observed = [...fixture.thread.metricValues.values()].at(-1);
    assert.equal(observed, 2n ** 64n - 1n, "values are unsigned");
  });

  it("refuse what their kind cannot do", () => {
    const fixture = new HostcallFixture();
    const counter = define(fixture, 0, "c");
    const histogram = define(fixture, 2, "h");
    assert.equal(fixture.call("proxy_increment_metric", counter, 0n), STATUS.badArgument);
    assert.equal(fixture.call("proxy_increment_metric", counter, -1n), STATUS.badArgument);
    assert.equal(fixture.call("proxy_increment_metric", histogram, 1n), STATUS.badArgument);
    assert.equal(fixture.call("proxy_get_metric", histogram, OUT), STATUS.badArgument);
    assert.equal(fixture.call("proxy_get_metric", counter, -1), STATUS.invalidMemoryAccess);
  });

  it("are unknown until they are defined in this VM", () => {
    const fixture = new HostcallFixture();
    define(new HostcallFixture(), 0, "elsewhere");
    for (const id of [4, 5, 400, -4]) {
      assert.equal(fixture.call("proxy_increment_metric", id, 1n), STATUS.notFound);
      assert.equal(fixture.call("proxy_record_metric", id, 1n), STATUS.notFound);
      assert.equal(fixture.call("proxy_get_metric", id, OUT), STATUS.notFound);
    }
    assert.equal(fixture.call("proxy_record_metric", 6, 1n), STATUS.notFound);
  });

  it("are not defined with a bad kind or pointer", () => {
    const fixture = new HostcallFixture();
    const name = "proxy_define_metric";
    const text = fixture.text("m");
    assert.equal(fixture.call(name, 3, ...text, OUT), STATUS.badArgument);
    assert.equal(fixture.call(name, 0, ...BAD_RANGE, OUT), STATUS.invalidMemoryAccess);
    assert.equal(fixture.call(name, 0, ...text, -1), STATUS.invalidMemoryAccess);
  });
});

describe("hostcalls as a whole", () => {
  it("take as many parameters as their row says", () => {
    const fixture = new HostcallFixture();
    const bodies = createHostcalls(fixture.vm, null);
    for (const name of IMPLEMENTED_HOSTCALLS) {
      const spec: HostcallSpec = HOSTCALLS[name];
      const arity = spec.params.reduce((sum, [, kind]) => sum + WIRE_ARITY[kind], 0);
      assert.equal(bodies[name]?.length, arity, name);
    }
  });

  it("that are not implemented answer so and are logged once", () => {
    const fixture = new HostcallFixture();
    const missing = HOSTCALL_NAMES.filter((name) => !IMPLEMENTED_HOSTCALLS.includes(name));
    assert.ok(missing.includes("proxy_redis_call"));
    for (const name of missing) {
      assert.equal(fixture.call(name), STATUS.unimplemented);
      assert.equal(fixture.call(name), STATUS.unimplemented);
    }
    assert.equal(fixture.thread.lines.length, missing.length);
  });

  it("are served, unimplemented or unknown by name", () => {
    assert.equal(servedImport("env", "proxy_log"), "served");
    assert.equal(servedImport("env", "proxy_redis_call"), "unimplemented");
    assert.equal(servedImport("env", "abort"), "served");
    assert.equal(servedImport("env", "fd_write"), "unknown");
    assert.equal(servedImport("wasi_unstable", "fd_write"), "served");
    assert.equal(servedImport("wasi_snapshot_preview1", "proxy_log"), "unknown");
    assert.equal(servedImport("other", "proxy_log"), "unknown");
  });
});
