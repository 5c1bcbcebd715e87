/** `--watch`: files that change are read again, however they are replaced. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { bootstrap, listener, wasmFilter } from "../harness/config.ts";
import { untilLogged } from "../harness/filter-rig.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy.ts";
import { exchange } from "../harness/raw-client.ts";
import { CONTINUE, scriptedGuest } from "../harness/scripted-guest.ts";

const GET = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
const ADMIN = "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}\n";

let folder: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), "granary-watch-"));
});
after(() => rmSync(folder, { recursive: true }));

function guest(version: string): Uint8Array {
  return scriptedGuest((s) => ({
    proxy_on_response_headers: [s.add(2, "x-filter", version), CONTINUE],
  }));
}

function config(body: string, wasm: string): string {
  const routes = `[{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: ${body}}}}]`;
  const filters = [wasmFilter({ name: "f", code: `{filename: ${JSON.stringify(wasm)}}` })];
  return ADMIN + bootstrap([listener({ routes, filters })], []);
}

const version = (proxy: ProxyProcess, number: number): Promise<void> =>
  untilLogged(proxy, (line) => line.includes(`configuration ${number} is in use`));

test("a Wasm file that is written again is taken", async () => {
  const wasm = join(folder, "f.wasm");
  writeFileSync(wasm, guest("one"));
  const yaml = config("same", wasm).slice(ADMIN.length);
  const proxy = await startProxy({ yaml, args: ["--watch"] });
  const port = proxy.port("main");
  assert.match(await exchange(port, GET), /x-filter: one\r\n/);
  writeFileSync(wasm, guest("two"));
  await version(proxy, 2);
  assert.match(await exchange(port, GET), /x-filter: two\r\n/);
  // A broken file changes nothing; the next good one is seen all the same.
  writeFileSync(wasm, "broken");
  await untilLogged(proxy, (line) => line.includes("is refused, version 2 goes on"));
  assert.match(await exchange(port, GET), /x-filter: two\r\n/);
  writeFileSync(wasm, guest("three"));
  await version(proxy, 3);
  assert.match(await exchange(port, GET), /x-filter: three\r\n/);
  assert.equal(await proxy.stop(), 0);
});

test("a mounted config map is taken when its ..data link is swapped", async () => {
  const mount = join(folder, "mount");
  const write = (revision: string, body: string): void => {
    const real = join(mount, revision);
    mkdirSync(real, { recursive: true });
    writeFileSync(join(real, "f.wasm"), guest(revision));
    writeFileSync(join(real, "envoy.yaml"), config(body, join(mount, "f.wasm")));
    // As the kubelet does: a new link is renamed over the old one.
    symlinkSync(revision, join(mount, "..data_tmp"));
    renameSync(join(mount, "..data_tmp"), join(mount, "..data"));
  };
  write("..r1", "first");
  symlinkSync("..data/f.wasm", join(mount, "f.wasm"));
  symlinkSync("..data/envoy.yaml", join(mount, "envoy.yaml"));
  const args = ["--watch", "-c", join(mount, "envoy.yaml")];
  const proxy = await startProxy({ yaml: "", args });
  const port = proxy.port("main");
  assert.match(await exchange(port, GET), /x-filter: \.\.r1\r\n[\s\S]*first$/);
  write("..r2", "second");
  await version(proxy, 2);
  assert.match(await exchange(port, GET), /x-filter: \.\.r2\r\n[\s\S]*second$/);
  rmSync(join(mount, "..r1"), { recursive: true });
  write("..r3", "third");
  await version(proxy, 3);
  assert.match(await exchange(port, GET), /x-filter: \.\.r3\r\n[\s\S]*third$/);
  assert.equal(await proxy.stop(), 0);
});
