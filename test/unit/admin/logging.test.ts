import assert from "node:assert/strict";
import { test } from "node:test";
import { LOG_COMPONENTS } from "../../../src/base/log.ts";
import { FakeSource } from "./fake-source.ts";
import { ask } from "./harness.ts";

const post = (source: FakeSource, query: string) => ask(source, `/logging${query}`, "POST");
const levelOf = (body: string, name: string): string | undefined =>
  new RegExp(`^  ${name}: (\\w+)$`, "m").exec(body)?.[1];

test("without parameters every component is listed", async () => {
  const { body } = await post(new FakeSource(), "");
  const lines = LOG_COMPONENTS.map((name) => `  ${name}: info\n`).join("");
  assert.equal(body, `active loggers:\n${lines}\n`);
});

test("one level for all, for one and for several", async () => {
  const source = new FakeSource();
  assert.equal(levelOf((await post(source, "?level=debug")).body, "http"), "debug");
  const one = (await post(source, "?wasm=trace")).body;
  assert.deepEqual([levelOf(one, "wasm"), levelOf(one, "http")], ["trace", "debug"]);
  const several = (await post(source, "?paths=wasm:off,http:info")).body;
  assert.deepEqual([levelOf(several, "wasm"), levelOf(several, "http")], ["off", "info"]);
  assert.equal(levelOf(several, "main"), "debug");
});

test("an empty value changes nothing", async () => {
  const source = new FakeSource();
  for (const query of ["?level=", "?wasm=", "?paths="]) {
    const { status, body } = await post(source, query);
    assert.equal(status, 200);
    assert.equal(levelOf(body, "wasm"), "info");
  }
});

test("a mistake answers 400 with reason, usage and levels, and changes nothing", async () => {
  const source = new FakeSource();
  for (const [query, reason] of [
    ["?level=bogus", "unknown logger level"],
    ["?wasm=bogus", "unknown logger level"],
    ["?bogus=debug", "unknown logger name"],
    ["?=debug", "unknown logger name"],
    ["?paths=wasm:debug,foo:info", "unknown logger name"],
    ["?paths=wasm", "empty logger name or empty logger level"],
    ["?paths=wasm:", "empty logger name or empty logger level"],
    ["?group=wasm:debug", "group parameter requires fine-grain logging to be enabled"],
    ["?level=info&wasm=debug", "invalid number of parameters"],
  ] as const) {
    const { status, body } = await post(source, query);
    assert.equal(status, 400, query);
    assert.ok(body.startsWith(`error: ${reason}\n\nusage: /logging?<name>=<level> `), body);
    assert.ok(body.includes("\nlevels: trace debug info warning error critical off \n"));
    assert.equal(levelOf(body, "wasm"), "info", query);
  }
});
