/** The configuration changes while calls are suspended: each ends in the plugin in which it began. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { bootstrap, cluster, listener, wasmFilter } from "../harness/config.ts";
import { coroutineGuest } from "../harness/coroutine-guest.ts";
import {
  FakeUpstream,
  type FakeUpstreamConnection,
  plainResponse,
} from "../harness/fake-upstream.ts";
import { untilLogged } from "../harness/filter-rig.ts";
import { startProxy } from "../harness/proxy.ts";
import { exchange } from "../harness/raw-client.ts";
import { CONTINUE } from "../harness/scripted-guest.ts";

const GET = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

/** Awaits a callout before each request goes on. */
function asking(version: string): Promise<Uint8Array> {
  return coroutineGuest("JSPI", (script) => ({
    proxy_on_request_headers: [
      script.status(`${version} awaited`, "(call $await (call $http))"),
      CONTINUE,
    ],
    proxy_on_response_headers: [script.add(2, "x-filter", version), CONTINUE],
    proxy_on_done: [script.note(`${version} done`), "(i32.const 1)"],
  }));
}

test("suspended calls of plugins that are replaced or removed go on", {
  timeout: 120_000,
}, async () => {
  const directory = mkdtempSync(join(tmpdir(), "granary-coroutines-"));
  const asked: FakeUpstreamConnection[] = [];
  let onAsked: () => void = () => undefined;
  const service = await FakeUpstream.listen({
    onRequest: (_, connection) => {
      asked.push(connection);
      onAsked();
    },
  });
  const upstream = await FakeUpstream.listen({
    onRequest: (_, connection) => connection.write(plainResponse(200, "ok")),
  });
  const filterOf = async (version: string): Promise<string> => {
    const path = join(directory, `${version}.wasm`);
    writeFileSync(path, await asking(version));
    return wasmFilter({ name: "asking", code: `{filename: ${JSON.stringify(path)}}` });
  };
  const yaml = (...filters: string[]): string =>
    bootstrap(
      [listener({ filters })],
      [cluster("upstream", upstream.port), cluster("known", service.port)],
    );
  const proxy = await startProxy({ yaml: yaml(await filterOf("v1")) });
  const send = async (): Promise<{ readonly answer: Promise<string> }> => {
    const arrived = new Promise<void>((resolve) => {
      onAsked = resolve;
    });
    const answer = exchange(proxy.port("main"), GET);
    await arrived;
    return { answer };
  };
  try {
    const first = await send();
    await proxy.reload(yaml(await filterOf("v2")));
    const second = await send();
    await proxy.reload(yaml());
    assert.doesNotMatch(await exchange(proxy.port("main"), GET), /x-filter/);
    // The later one first.
    for (const connection of asked.reverse()) connection.write(plainResponse(200, "yes"));
    assert.match(await second.answer, /\r\nx-filter: v2\r\n/);
    assert.match(await first.answer, /\r\nx-filter: v1\r\n/);
    await untilLogged(proxy, (line) => line.includes("v1 done"));
    await untilLogged(proxy, (line) => line.includes("v2 done"));
  } finally {
    await proxy.stop();
    await service.close();
    await upstream.close();
    rmSync(directory, { recursive: true });
  }
});
