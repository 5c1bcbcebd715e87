/**
 * Versions of one Wasm filter side by side, by header and by weight, with separate stats; and
 * shadows, which run beside the one that serves: nobody notices them, their differences are counted.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { plainResponse } from "../harness/fake-upstream.ts";
import {
  FilterRig,
  type ListenerSpec,
  type PluginSpec,
  untilLogged,
} from "../harness/filter-rig.ts";
import { valuesOf } from "../harness/raw-responses.ts";
import {
  type Callbacks,
  CONTINUE,
  type Script,
  STOP,
  scriptedGuest,
  TRAP,
} from "../harness/scripted-guest.ts";

function plugin(name: string, write: (s: Script) => Callbacks): PluginSpec {
  return { name, code: scriptedGuest(write) };
}

/** Marks requests and responses with its name. */
const marking = (name: string, more: (s: Script) => Callbacks = () => ({})): PluginSpec =>
  plugin(name, (s) => ({
    proxy_on_request_headers: [s.add(0, "x-version", name), CONTINUE],
    proxy_on_response_headers: [s.add(2, "x-version", name), CONTINUE],
    ...more(s),
  }));

const versions: ListenerSpec = {
  name: "versions",
  plugins: [
    {
      ...marking("one"),
      versions: {
        weighted: [
          { name: "one", more: { weight: 3 } },
          { name: "two", more: { weight: 1 }, plugin: marking("two") },
          {
            name: "three",
            more: { headers: [{ name: "x-want", string_match: { exact: "three" } }] },
            plugin: marking("three"),
          },
        ],
      },
    },
  ],
};

/** A filter that serves, with a shadow: the names of its listener and of the shadow are the same. */
function shadowed(
  name: string,
  shadow: PluginSpec | undefined,
  live: PluginSpec = marking("live"),
  more: object = {},
): ListenerSpec {
  const version = { name, more, ...(shadow === undefined ? {} : { plugin: shadow }) };
  return {
    name,
    plugins: [{ ...live, name: `${name}-live`, versions: { shadows: [version] } }],
  };
}

const live: (s: Script) => Callbacks = (s) => ({
  proxy_on_request_headers: [s.add(0, "x-version", "live"), CONTINUE],
  proxy_on_response_headers: [s.add(2, "x-version", "live"), CONTINUE],
});
const other = (name: string, write: (s: Script) => Callbacks): ListenerSpec =>
  shadowed(
    name,
    plugin(name, (s) => ({ ...live(s), ...write(s) })),
  );

/** An HTTP callout to the upstream; its token goes nowhere. */
const callOut = (s: Script): string => {
  const pairs = [
    [":method", "GET"],
    [":path", "/callout"],
    [":authority", "a"],
  ];
  const sizes = pairs.flatMap((pair) => pair.map(({ length }) => length));
  const words = [pairs.length, ...sizes].map((n) => `${String.fromCharCode(n)}\0\0\0`).join("");
  const map = words + pairs.map((pair) => pair.map((text) => `${text}\0`).join("")).join("");
  return s.status(
    "callout",
    `(call $proxy_http_call ${s.slice("upstream")} ${s.slice(map)} (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 3040))`,
  );
};

const SHADOWS: readonly ListenerSpec[] = [
  shadowed("same", undefined),
  other("adds", (s) => ({
    proxy_on_request_headers: [
      s.add(0, "x-version", "live"),
      s.add(0, "x-shadow", "secret"),
      CONTINUE,
    ],
  })),
  other("answers-otherwise", (s) => ({
    proxy_on_response_headers: [s.add(2, "x-version", "other"), CONTINUE],
  })),
  other("replies", (s) => ({ proxy_on_request_headers: [s.reply(418, "no"), STOP] })),
  other("pauses", () => ({ proxy_on_request_headers: [STOP] })),
  other("traps", () => ({ proxy_on_request_headers: [TRAP] })),
  other("rewrites", (s) => ({
    proxy_on_request_body: [s.setBuffer(0, "changed"), CONTINUE],
    proxy_on_response_body: [s.setBuffer(1, "changed"), CONTINUE],
  })),
  other("calls-out", (s) => ({
    proxy_on_request_headers: [callOut(s), STOP],
    proxy_on_http_call_response: [s.getHeader(6, ":status")],
  })),
  other("tells", (s) => ({
    proxy_on_vm_start: [
      `(drop (call $proxy_set_shared_data ${s.slice("key")} ${s.slice("shadow")} (i32.const 0)))`,
      "(i32.const 1)",
    ],
    proxy_on_log: [s.note("seen")],
  })),
  shadowed(
    "never",
    plugin("never", () => ({ proxy_on_request_headers: [TRAP] })),
    marking("live"),
    {
      fraction: { numerator: 0 },
    },
  ),
  shadowed(
    "both-reply",
    undefined,
    plugin("r", (s) => ({ proxy_on_request_headers: [s.reply(403, "no"), STOP] })),
  ),
];

const limits = { timeout: 60_000 };
let rig: FilterRig;

before(async () => {
  rig = await FilterRig.start([versions, ...SHADOWS]);
});

after(async () => {
  assert.equal(await rig.stop(), 0);
});

const stat = (name: string): Promise<number | null> => rig.proxy.stat(name);
const shadowStat = (name: string, row: string): Promise<number | null> =>
  stat(`granary.shadow.${name}.${row}`);
/** Shadows are compared when they are over, which may be after the client has its answer. */
async function compared(name: string, row: string): Promise<void> {
  while ((await shadowStat(name, row)) === 0);
}

describe("versions of a filter", () => {
  it("are chosen by header first, and count their requests", limits, async () => {
    for (let i = 0; i < 5; i++) {
      const { headers } = await rig.send("versions", { headers: "x-want: three\r\n" });
      assert.deepEqual(valuesOf(headers, "x-version"), ["three"]);
    }
    assert.equal(await stat("http.versions.wasm_filter.one.three.rq_2xx"), 5);
  });

  it("are chosen by weight else", limits, async () => {
    const seen = { one: 0, two: 0, three: 0 };
    const count = 200;
    for (let i = 0; i < count; i++) {
      const { headers } = await rig.send("versions");
      const [name] = valuesOf(headers, "x-version");
      seen[name as keyof typeof seen]++;
    }
    assert.equal(seen.three, 0);
    // 3 to 1: 150 and 50 expected; six standard deviations are 37.
    assert.ok(seen.two > 13 && seen.two < 87, `${seen.two} of ${count} for a quarter`);
    assert.equal(await stat("http.versions.wasm_filter.one.one.rq_total"), seen.one);
    assert.equal(await stat("http.versions.wasm_filter.one.two.rq_2xx"), seen.two);
  });
});

/** Sends one request; what the client and the upstream got is what the live filter alone makes. */
async function sendUnnoticed(name: string): Promise<void> {
  const from = rig.requests.length;
  const answer = await rig.send(name, { method: "POST", body: "some" });
  assert.deepEqual([answer.status, answer.body], [200, "hello"]);
  assert.deepEqual(valuesOf(answer.headers, "x-version"), ["live"]);
  const arrived = rig.requests.slice(from);
  assert.equal(arrived.length, 1, "nothing else reached the upstream");
  assert.deepEqual(valuesOf(arrived[0]?.headers ?? [], "x-version"), ["live"]);
  assert.deepEqual(valuesOf(arrived[0]?.headers ?? [], "x-shadow"), []);
  assert.equal(arrived[0]?.body, "some");
}

describe("a shadow", () => {
  it("that does the same is counted as the same", limits, async () => {
    await sendUnnoticed("same");
    await compared("same", "same");
    assert.equal(await shadowStat("same", "streams"), 1);
    assert.equal(await shadowStat("same", "same"), 1);
    assert.equal(await shadowStat("same", "different"), 0);
  });

  for (const [name, rows] of [
    ["adds", ["request_headers"]],
    ["answers-otherwise", ["response_headers"]],
    ["replies", ["reply"]],
    ["pauses", ["pause"]],
    ["traps", ["failure"]],
    ["rewrites", ["request_body", "response_body"]],
  ] as const) {
    it(`that ${name} is not noticed, and counted under ${rows.join(", ")}`, limits, async () => {
      await sendUnnoticed(name);
      await compared(name, "different");
      assert.equal(await shadowStat(name, "different"), 1);
      for (const row of rows) assert.equal(await shadowStat(name, row), 1, row);
      assert.equal(await shadowStat(name, "same"), 0);
      await untilLogged(rig.proxy, (each) => each.includes(`shadow "${name}"`));
      const line = rig.proxy.log.split("\n").find((each) => each.includes(`shadow "${name}"`));
      for (const row of rows) assert.match(line ?? "", new RegExp(row));
    });
  }

  it(
    "has its differences logged by name of header, without values, ten times",
    limits,
    async () => {
      for (let i = 0; i < 12; i++) await sendUnnoticed("adds");
      const told = () => rig.proxy.log.split("\n").filter((each) => each.includes('shadow "adds"'));
      await untilLogged(rig.proxy, () => told().length >= 10);
      const lines = told();
      assert.ok(lines.length >= 10 && lines.length <= 20, "ten for each silo at most");
      assert.match(lines[0] ?? "", /request_headers: \+x-shadow$/);
      assert.doesNotMatch(rig.proxy.log, /secret/);
    },
  );

  it("that calls out is answered 503 without a request, and not compared", limits, async () => {
    await sendUnnoticed("calls-out");
    await compared("calls-out", "uncompared");
    assert.equal(await shadowStat("calls-out", "uncompared"), 1);
    assert.equal(await shadowStat("calls-out", "different"), 0);
    await untilLogged(rig.proxy, (line) => /shadow: .*:status 0 503/.test(line));
    assert.ok(rig.requests.every(({ head }) => !head.includes("/callout")));
  });

  it("has log lines marked as its own", limits, async () => {
    await sendUnnoticed("tells");
    await untilLogged(rig.proxy, (line) => /shadow: .*seen/.test(line));
  });

  it("sees only its fraction of the requests", limits, async () => {
    await sendUnnoticed("never");
    assert.equal(await shadowStat("never", "streams"), 0);
  });

  it("that makes the same local reply is the same", limits, async () => {
    const { status, body } = await rig.send("both-reply");
    assert.deepEqual([status, body], [403, "no"]);
    await compared("both-reply", "same");
    assert.equal(await shadowStat("both-reply", "same"), 1);
  });

  it("is told from live plugins at /wasm", limits, async () => {
    const { body } = await rig.proxy.admin("/wasm?format=json");
    const vms = JSON.parse(body).silos.flatMap((silo: { vms: object[] }) => silo.vms);
    const modes = vms.map((vm: { mode: string }) => vm.mode);
    assert.ok(modes.includes("shadow") && modes.includes("live"));
  });
});

describe("an answer of the upstream", () => {
  it("in pieces is compared as a whole", limits, async () => {
    rig.answer = () => plainResponse(200, "x".repeat(200_000), "x-upstream: yes\r\n");
    const answer = await rig.send("same");
    assert.equal(answer.body.length, 200_000);
    rig.answer = () => plainResponse(200, "hello", "x-upstream: yes\r\n");
    while ((await shadowStat("same", "same")) === 1);
    assert.equal(await shadowStat("same", "different"), 0);
    assert.equal(await shadowStat("same", "same"), 2);
  });
});
