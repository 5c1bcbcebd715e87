/** What filters know and count: attributes, configuration, metrics, capabilities, shared VMs. */
import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { FilterRig, type ListenerSpec } from "../harness/filter-rig.ts";
import { type Callbacks, CONTINUE, type Script, scriptedGuest } from "../harness/scripted-guest.ts";

let rig: FilterRig;
const limits = { timeout: 5_000 };

/** A number as the ABI gives it: 8 bytes, little endian, as latin1 text. */
function int64(value: number | bigint): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes.toString("latin1");
}

/** Attributes with the value each must have in the log callback; a RegExp sees latin1. */
const ATTRIBUTES: Readonly<Record<string, string | RegExp | null>> = {
  "request.path": "/p?color=red",
  "request.url_path": "/p",
  "request.query": "color=red",
  "request.host": "a.example",
  "request.scheme": "http",
  "request.method": "POST",
  "request.useragent": "agent",
  "request.referer": "ref",
  "request.headers.user-agent": "agent",
  "request.protocol": "HTTP/1.1",
  "request.id": /^[0-9a-f-]{36}$/,
  "request.unknown": null,
  "response.headers.x-upstream": "yes",
  "response.code_details": "via_upstream",
  "source.address": /^127\.0\.0\.1:\d+$/,
  "destination.address": /^127\.0\.0\.1:\d+$/,
  "upstream.address": /^127\.0\.0\.1:\d+$/,
  "upstream.local_address": /^127\.0\.0\.1:\d+$/,
  "connection.requested_server_name": "",
  "connection.tls_version": null,
  "xds.cluster_name": "upstream",
  "xds.route_name": "the-route",
  "xds.virtual_host_name": "the-host",
  "xds.node.id": "the-node",
  "xds.node.metadata.zone": "z1",
  "node.cluster": "the-cluster",
  plugin_name: "attributes",
  plugin_root_id: "the-root",
  plugin_vm_id: "the-vm",
  cluster_name: "upstream",
  route_name: "the-route",
  "no.such": null,
};

const SHARED = scriptedGuest((s) => ({
  proxy_on_context_create: [s.note("context")],
  proxy_on_request_headers: [
    "(global.set $count (i32.add (global.get $count) (i32.const 1)))",
    s.note("count", "(global.get $count)"),
    CONTINUE,
  ],
}));

function metrics(s: Script): Callbacks {
  const define = (kind: number, name: string, steps: string): string =>
    `(drop (call $proxy_define_metric (i32.const ${kind}) ${s.slice(name)} (i32.const 3040)))
     ${steps}`;
  const id = "(i32.load (i32.const 3040))";
  const add = (by: number): string =>
    `(drop (call $proxy_increment_metric ${id} (i64.const ${by})))`;
  const record = `(drop (call $proxy_record_metric ${id} (i64.const 7)))`;
  return {
    proxy_on_request_headers: [
      define(0, "test_counter", add(2) + add(3)),
      define(1, "test_gauge", record + add(-2)),
      define(2, "test_histogram", record),
      define(0, "", add(1)),
      CONTINUE,
    ],
  };
}

const LISTENERS: readonly ListenerSpec[] = [
  {
    name: "attributes",
    plugins: [
      {
        name: "attributes",
        vmId: "the-vm",
        code: scriptedGuest((s) => ({
          proxy_on_log: Object.keys(ATTRIBUTES).map((path) => s.getProperty(path, path.split("."))),
        })),
        more: { root_id: "the-root" },
      },
    ],
  },
  {
    name: "numbers",
    plugins: [
      {
        name: "numbers",
        code: scriptedGuest(
          (s) => {
            const equal = (path: string, bytes: string): string =>
              s.status(
                path,
                `(call $same (call $proxy_get_property ${s.slice(path.replaceAll(".", "\0"))}
                (i32.const 3040) (i32.const 3044)) ${s.slice(bytes)})`,
              );
            return {
              proxy_on_log: [
                equal("request.size", int64(4)),
                equal("response.code", int64(200)),
                equal("response.size", int64(5)),
                equal("response.flags", int64(0)),
                equal("upstream.request_attempt_count", int64(1)),
                equal("listener_direction", int64(0)),
                equal("connection.mtls", "\0"),
              ],
            };
          },
          {
            fields: `(func $same (param $status i32) (param $p i32) (param $n i32) (result i32)
            (local $i i32)
            (if (local.get $status) (then (return (i32.const 100))))
            (if (i32.ne (i32.load (i32.const 3044)) (local.get $n)) (then (return (i32.const 101))))
            (block $end (loop $next
              (br_if $end (i32.ge_u (local.get $i) (local.get $n)))
              (if (i32.ne
                (i32.load8_u (i32.add (i32.load (i32.const 3040)) (local.get $i)))
                (i32.load8_u (i32.add (local.get $p) (local.get $i))))
                (then (return (i32.const 102))))
              (local.set $i (i32.add (local.get $i) (i32.const 1)))
              (br $next)))
            (i32.const 0))`,
          },
        ),
      },
    ],
  },
  {
    name: "configuration",
    plugins: [
      {
        name: "configuration",
        configuration: "of the plugin",
        vmConfiguration: "of the VM",
        code: scriptedGuest((s) => ({
          proxy_on_vm_start: [s.getBuffer("vm", 6), "(i32.const 1)"],
          proxy_on_configure: [s.getBuffer("plugin", 7), "(i32.const 1)"],
        })),
      },
    ],
  },
  { name: "metrics", plugins: [{ name: "metrics", code: scriptedGuest(metrics) }] },
  {
    name: "shared",
    plugins: [
      { name: "shared-one", vmId: "one-vm", code: SHARED },
      { name: "shared-two", vmId: "one-vm", code: SHARED },
      { name: "apart", vmId: "other-vm", code: SHARED },
    ],
  },
  {
    name: "restricted",
    plugins: [
      {
        name: "restricted",
        code: scriptedGuest((s) => ({
          proxy_on_request_headers: [
            s.status(
              "path",
              `(call $proxy_get_header_map_value (i32.const 0) ${s.slice(":path")}
              (i32.const 3040) (i32.const 3044))`,
            ),
            s.add(0, "x-restricted", "yes"),
            CONTINUE,
          ],
          proxy_on_response_headers: [s.add(2, "x-restricted", "yes"), CONTINUE],
        })),
        more: {
          capability_restriction_config: {
            allowed_capabilities: {
              proxy_log: {},
              proxy_add_header_map_value: {},
              proxy_on_context_create: {},
              proxy_on_vm_start: {},
              proxy_on_configure: {},
              proxy_on_request_headers: {},
              proxy_on_memory_allocate: {},
            },
          },
        },
      },
    ],
  },
];

before(async () => {
  rig = await FilterRig.start(LISTENERS);
});

after(async () => {
  assert.equal(await rig.stop(), 0);
});

it("attributes of every family have Envoy's values", limits, async () => {
  const headers = "user-agent: agent\r\nreferer: ref\r\n";
  await rig.send("attributes", { method: "POST", path: "/p?color=red", headers, body: "some" });
  const lines = await rig.linesUntil("attributes", "no.such 1");
  const got = new Map(
    lines.map((line) => {
      const [path = "", status, ...value] = line.split(" ");
      return [path, status === "0" ? value.join(" ") : null];
    }),
  );
  for (const [path, wanted] of Object.entries(ATTRIBUTES)) {
    const value = got.get(path);
    if (wanted instanceof RegExp) assert.match(value ?? "nothing", wanted, path);
    else assert.equal(value, wanted, path);
  }
});

it("numbers are 8 bytes, little endian; booleans are one", limits, async () => {
  await rig.send("numbers", { method: "POST", body: "some" });
  const lines = await rig.linesUntil("numbers", "connection.mtls 0");
  assert.deepEqual(
    lines.filter((line) => !line.endsWith(" 0")),
    [],
  );
});

it("plugin and VM configuration are read byte for byte", limits, async () => {
  const lines = await rig.linesUntil("configuration", "plugin 0 of the plugin");
  assert.deepEqual(lines, ["vm 0 of the VM", "plugin 0 of the plugin"]);
});

it("metrics of filters are statistics under wasmcustom", limits, async () => {
  await rig.send("metrics");
  await rig.send("metrics");
  assert.equal(await rig.proxy.stat("wasmcustom.test_counter"), 10);
  assert.equal(await rig.proxy.stat("wasmcustom.test_gauge"), 5);
  const { body } = await rig.proxy.admin("/stats/prometheus");
  assert.match(body, /test_counter(\{\})? 10\n/);
  assert.match((await rig.proxy.admin("/stats")).body, /wasmcustom\.test_histogram: P0/);
  assert.equal(await rig.proxy.stat("wasm.metric_operations_refused"), 2);
});

it("plugins of one vm_id and code share a VM, another vm_id has its own", limits, async () => {
  await rig.send("shared");
  assert.ok((await rig.linesUntil("shared-one", "count 1 0")).includes("count 1 0"));
  assert.ok((await rig.linesUntil("shared-two", "count 2 0")).includes("count 2 0"));
  assert.ok((await rig.linesUntil("apart", "count 1 0")).includes("count 1 0"));
});

it("a restricted plugin neither calls nor hears what is not allowed", limits, async () => {
  const answer = await rig.send("restricted");
  assert.equal(
    answer.headers.some(([name]) => name === "x-restricted"),
    false,
  );
  const request = rig.requests.at(-1);
  assert.ok(request?.headers.some(([name]) => name === "x-restricted"));
  await rig.linesUntil("restricted", "path 10");
});
