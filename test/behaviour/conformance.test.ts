/**
 * The conformance table against a real proxy: the three toolboxes, each on a listener of its own,
 * in one process. A case that ends its VM has a listener, and by its vm_id a VM, for itself.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { conformanceBootstrap, TOOLBOX_FILES } from "../conformance/bootstrap.ts";
import {
  type CaseMessage,
  type ConformanceCase,
  type Expectation,
  expectationFor,
  type HeaderPatterns,
  matchesPattern,
  SDKS,
  type Sdk,
} from "../conformance/case.ts";
import { EXPECTATIONS } from "../conformance/expectations.ts";
import { REFUSED_CONFIGURATIONS } from "../conformance/failures.ts";
import { FakeUpstream } from "../harness/fake-upstream.ts";
import { REPOSITORY_ROOT, untilLogged } from "../harness/filter-rig.ts";
import { type ProxyProcess, runGranary, startProxy } from "../harness/proxy.ts";
import { RawClient } from "../harness/raw-client.ts";
import type { RawRequest } from "../harness/raw-requests.ts";
import { parseResponse, type RawResponse, valuesOf } from "../harness/raw-responses.ts";

let upstream: FakeUpstream;
let proxy: ProxyProcess;
/** What the upstream answers and what it has seen, for the running case. */
let present: ConformanceCase | null = null;
let seen: RawRequest[] = [];

function listenerName(sdk: Sdk, testCase: ConformanceCase, index: number): string {
  return testCase.endsVm ? `${sdk}-${index}` : sdk;
}

interface ListenerParts {
  readonly name: string;
  readonly sdk: Sdk;
  readonly failOpen?: boolean;
  readonly vmId?: string;
  readonly pluginConfiguration?: string;
  readonly vmConfiguration?: string;
}

/** The table's bootstrap with one listener, under a name and with a VM of its own. */
function setup(parts: ListenerParts) {
  const { name, sdk, failOpen = false, vmId, ...texts } = parts;
  const moduleFile = join(REPOSITORY_ROOT, TOOLBOX_FILES[sdk]);
  const ports = { listenerPort: 0, adminPort: 0, upstreamPort: upstream?.port ?? 1 };
  const whole = conformanceBootstrap({ moduleFile, failOpen, ...texts, ...ports });
  let text = JSON.stringify(whole).replace('"conformance_listener"', JSON.stringify(name));
  if (vmId !== undefined) text = text.replace('"toolbox-vm"', JSON.stringify(vmId));
  return JSON.parse(text) as {
    node: object;
    static_resources: { listeners: object[]; clusters: object[] };
  };
}

/** One configuration with all these listeners; JSON is YAML. */
function yamlOf(all: readonly ListenerParts[]): string {
  const parts = all.map(setup);
  const [first] = parts;
  assert.ok(first);
  const resources = {
    listeners: parts.flatMap((part) => part.static_resources.listeners),
    clusters: first.static_resources.clusters,
  };
  const { node } = first;
  return `node: ${JSON.stringify(node)}\nstatic_resources: ${JSON.stringify(resources)}\n`;
}

function answerText(message: CaseMessage, first: string): string[] {
  const fields = message.headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  if (message.framing === "none") return [`${first}\r\n${fields}\r\n`];
  const body = message.parts.join("");
  if (message.framing === "length") {
    return [`${first}\r\ncontent-length: ${body.length}\r\n${fields}\r\n`, ...message.parts];
  }
  const chunks = message.parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`);
  return [`${first}\r\ntransfer-encoding: chunked\r\n${fields}\r\n`, ...chunks, "0\r\n\r\n"];
}

async function play(port: number, testCase: ConformanceCase): Promise<RawResponse> {
  const { request } = testCase;
  const client = await RawClient.open(port);
  const hasHost = request.headers.some(([name]) => name === "host");
  const host = hasHost ? "" : "\r\nhost: conformance.example";
  const first = `${request.method} ${request.path} HTTP/1.1${host}\r\nconnection: close`;
  for (const part of answerText(request, first)) client.send(part);
  const text = await client.untilClosed();
  client.close();
  return parseResponse(text, request.method);
}

function checkHeaders(what: string, expected: HeaderPatterns, got: RawResponse["headers"]): void {
  for (const [name, patterns] of Object.entries(expected)) {
    const values = valuesOf(got, name);
    const wanted = patterns === null ? [] : Array.isArray(patterns) ? patterns : [patterns];
    const isSame =
      values.length === wanted.length &&
      wanted.every((pattern, index) => matchesPattern(pattern, values[index] ?? ""));
    assert.ok(isSame, `${what} ${name}: ${JSON.stringify(values)}, not ${JSON.stringify(wanted)}`);
  }
}

function checkUpstream(expected: Expectation["upstream"]): void {
  if (expected === null) {
    assert.equal(seen.length, 0, "no request reaches the upstream");
    return;
  }
  const [request] = seen;
  assert.ok(request, "the request reaches the upstream");
  assert.equal(request.method, expected.method);
  assert.equal(request.target, expected.path);
  assert.equal(request.body, expected.body);
  checkHeaders("upstream", expected.headers, request.headers);
}

async function checkTraces(expected: Expectation): Promise<void> {
  for (const { level, text } of expected.log) {
    const mark = `[${level === "warn" ? "warning" : level}]`;
    await untilLogged(proxy, (line) => line.includes(mark) && line.includes(text));
  }
  for (const [name, wanted] of Object.entries(expected.stats)) {
    const value = (await proxy.stat(name)) ?? 0;
    if (wanted === "positive") assert.ok(value > 0, `${name} is ${value}`);
    else assert.equal(value, wanted, name);
  }
}

async function check(sdk: Sdk, testCase: ConformanceCase, expected: Expectation): Promise<void> {
  present = testCase;
  seen = [];
  const index = EXPECTATIONS.indexOf(testCase);
  const answer = await play(proxy.port(listenerName(sdk, testCase, index)), testCase);
  assert.equal(answer.status, expected.status, JSON.stringify(answer));
  assert.equal(answer.isComplete, expected.outcome === "answer", JSON.stringify(answer));
  checkHeaders("client", expected.headers, answer.headers);
  assert.ok(matchesPattern(expected.body, answer.body), `body: ${JSON.stringify(answer.body)}`);
  checkUpstream(expected.upstream);
  await checkTraces(expected);
}

before(async () => {
  upstream = await FakeUpstream.listen({
    onRequest: (request, connection) => {
      seen.push(request);
      if (present === null) return;
      const { response } = present;
      for (const part of answerText(response, `HTTP/1.1 ${response.status} X`)) {
        connection.write(part);
      }
    },
  });
  const listeners = SDKS.flatMap((sdk): ListenerParts[] => [
    { name: sdk, sdk },
    ...EXPECTATIONS.flatMap((testCase, index): ListenerParts[] => {
      const name = listenerName(sdk, testCase, index);
      return testCase.endsVm ? [{ name, sdk, failOpen: testCase.failOpen, vmId: name }] : [];
    }),
  ]);
  const args = ["--component-log-level", "wasm:trace"];
  proxy = await startProxy({ yaml: yamlOf(listeners), args });
});

after(async () => {
  assert.equal(await proxy.stop(), 0);
  await upstream.close();
});

for (const sdk of SDKS) {
  describe(`the ${sdk} toolbox`, () => {
    for (const testCase of EXPECTATIONS) {
      const expected = expectationFor(testCase, sdk);
      if (expected === null) continue;
      const open = testCase.failOpen ? ", fail open" : "";
      it(`${testCase.name}${open}: ${testCase.shows}`, { timeout: 10_000 }, () =>
        check(sdk, testCase, expected),
      );
    }
  });
}

it("a configuration that a filter refuses does not start, and every filter's is told", async () => {
  const listeners = SDKS.flatMap((sdk) =>
    REFUSED_CONFIGURATIONS.map(({ pluginConfiguration, vmConfiguration }, index) => {
      const name = `${sdk}-${index}`;
      return { name, sdk, vmId: name, pluginConfiguration, vmConfiguration };
    }),
  );
  const { code, err } = await runGranary(["--config-yaml", yamlOf(listeners)]);
  assert.equal(code, 1);
  assert.equal(err.match(/proxy_on_configure returned false/g)?.length, SDKS.length, err);
  assert.equal(err.match(/proxy_on_vm_start returned false/g)?.length, SDKS.length, err);
});
