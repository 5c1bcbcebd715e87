import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CALLBACK_NAMES, CALLBACKS, resultWhenAbsent } from "../../../src/abi/callback-table.ts";
import { STATUS } from "../../../src/abi/enums.ts";
import { HOSTCALL_NAMES, HOSTCALLS } from "../../../src/abi/hostcall-table.ts";
import { HOSTCALL_GROUPS, type HostcallSpec, WIRE_ARITY } from "../../../src/abi/hostcall-types.ts";
import { buildImports, type ModuleImport } from "../../../src/abi/imports.ts";
import { ABI_VERSIONS, detectAbiVersion, markerOf } from "../../../src/abi/versions.ts";

const func = (name: string) => ({ name, kind: "function" });

describe("hostcall table", () => {
  it("has every function of the specification, with the arity it gives", () => {
    const arity = (name: keyof typeof HOSTCALLS): number => {
      const spec: HostcallSpec = HOSTCALLS[name];
      return spec.params.reduce((sum, [, kind]) => sum + WIRE_ARITY[kind], 0);
    };
    assert.equal(HOSTCALL_NAMES.length, 49);
    assert.equal(arity("proxy_send_local_response"), 8);
    assert.equal(arity("proxy_http_call"), 10);
    assert.equal(arity("proxy_grpc_call"), 12);
    assert.equal(arity("proxy_grpc_stream"), 9);
    assert.equal(arity("proxy_get_buffer_bytes"), 5);
    assert.equal(arity("proxy_increment_metric"), 2);
    assert.equal(arity("proxy_done"), 0);
  });

  it("has rows for every group", () => {
    const used = new Set<string>(HOSTCALL_NAMES.map((name) => HOSTCALLS[name].group));
    assert.deepEqual([...used].sort(), Object.keys(HOSTCALL_GROUPS).sort());
  });

  it("declares ok first for every row, and no status twice", () => {
    for (const name of HOSTCALL_NAMES) {
      const statuses: HostcallSpec["statuses"] = HOSTCALLS[name].statuses;
      assert.equal(statuses[0], "ok", name);
      assert.equal(new Set(statuses).size, statuses.length, name);
      for (const status of statuses) assert.ok(STATUS[status] >= 0, `${name} ${status}`);
    }
  });
});

describe("callback table", () => {
  it("counts an absent yes-or-no callback as yes and any other as continue", () => {
    assert.equal(resultWhenAbsent("proxy_on_configure"), 1);
    assert.equal(resultWhenAbsent("proxy_on_done"), 1);
    assert.equal(resultWhenAbsent("proxy_on_request_headers"), 0);
    assert.equal(CALLBACK_NAMES.length, 30);
    assert.equal(CALLBACKS.proxy_on_http_call_response.arity, 5);
  });
});

describe("ABI version", () => {
  it("is found by each marker", () => {
    for (const version of ABI_VERSIONS) {
      assert.equal(detectAbiVersion([func(markerOf(version))]).version, version);
    }
  });

  it("is the newest known one when a module has several", () => {
    const markers = ["0_2_1", "0_2_100", "0_1_0"].map((v) => func(`proxy_abi_version_${v}`));
    assert.equal(detectAbiVersion(markers).version, "0.2.100");
    assert.equal(detectAbiVersion(markers).markers.length, 3);
  });

  it("is unknown for a vendor's marker, a global of that name, and no marker", () => {
    assert.deepEqual(detectAbiVersion([func("proxy_abi_version_0_3_0")]), {
      version: null,
      markers: ["proxy_abi_version_0_3_0"],
    });
    const asGlobal = [{ name: "proxy_abi_version_0_2_1", kind: "global" }];
    assert.deepEqual(detectAbiVersion(asGlobal), { version: null, markers: [] });
  });
});

describe("import object", () => {
  const body = (): number => 0;
  const sources = {
    hostcalls: { proxy_log: body },
    wasi: { fd_write: body },
    emscripten: { abort: body },
    budget: { look: body },
  };
  const stores = {
    memory: () => new WebAssembly.Memory({ initial: 1 }),
    table: () => new WebAssembly.Table({ initial: 0, element: "anyfunc" }),
  };
  const wanted = (module: string, name: string, kind = "function"): ModuleImport => ({
    module,
    name,
    kind,
  });

  it("serves env and both WASI names, memories and tables", () => {
    const plan = buildImports(
      [
        wanted("env", "proxy_log"),
        wanted("env", "abort"),
        wanted("env", "memory", "memory"),
        wanted("env", "table", "table"),
        wanted("wasi_snapshot_preview1", "fd_write"),
        wanted("wasi_unstable", "fd_write"),
      ],
      sources,
      stores,
    );
    assert.deepEqual(plan.problems, []);
    assert.ok(plan.memory instanceof WebAssembly.Memory);
    assert.equal(plan.imports["env"]?.["memory"], plan.memory);
    assert.deepEqual(Object.keys(plan.imports), ["env", "wasi_snapshot_preview1", "wasi_unstable"]);
  });

  it("names everything nobody serves, at once", () => {
    const plan = buildImports(
      [
        wanted("env", "proxy_nonsense"),
        wanted("env", "toString"),
        wanted("other", "proxy_log"),
        wanted("env", "base", "global"),
      ],
      sources,
      stores,
    );
    assert.deepEqual(plan.problems, [
      "import env.proxy_nonsense (function) is not served",
      "import env.toString (function) is not served",
      "import other.proxy_log (function) is not served",
      "import env.base (global) is not served",
    ]);
  });
});
