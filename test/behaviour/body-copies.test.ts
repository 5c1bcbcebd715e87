/** How often the bytes of a body are copied in user space: never, and once into a filter. */
import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { plainResponse } from "../harness/fake-upstream.ts";
import { FilterRig } from "../harness/filter-rig.ts";
import { CONTINUE, scriptedGuest } from "../harness/scripted-guest.ts";

const REASONS = ["window", "joined", "filter_read", "filter_write"] as const;
const limits = { timeout: 20_000 };
const MIB = 1_048_576;
/** What one read brings at most: the part of a body that may come with its head. */
const READ_BYTES = 65_536;

let rig: FilterRig;

/** Reads each piece of a response body as it comes. */
const READER = scriptedGuest(() => ({
  proxy_on_response_body: [
    `(global.set $heap (i32.const 4096))
     (drop (call $proxy_get_buffer_bytes (i32.const 1) (i32.const 0) (i32.const 60000)
       (i32.const 3040) (i32.const 3044)))`,
    CONTINUE,
  ],
}));

before(async () => {
  rig = await FilterRig.start([
    { name: "plain", plugins: [] },
    { name: "reader", plugins: [{ name: "reader", code: READER }] },
  ]);
  rig.answer = ({ head }) => {
    const size = Number(/ \/(\d+)/.exec(head)?.[1] ?? "0");
    return plainResponse(200, "x".repeat(size));
  };
});
after(async () => {
  assert.equal(await rig.stop(), 0);
});

/** Bytes copied so far, in the order of REASONS. */
async function copied(): Promise<readonly number[]> {
  const values: number[] = [];
  for (const reason of REASONS) {
    values.push((await rig.proxy.stat(`granary.body.bytes_copied.${reason}`)) ?? -1);
  }
  return values;
}

async function copiedBy(run: () => Promise<unknown>): Promise<readonly number[]> {
  const earlier = await copied();
  await run();
  return (await copied()).map((now, index) => now - (earlier[index] ?? 0));
}

it("a response without filters goes from socket to socket without a copy", limits, async () => {
  const moved = await copiedBy(async () => {
    const response = await rig.send("plain", { path: `/${MIB}` });
    assert.equal(response.body.length, MIB);
  });
  assert.deepEqual(moved, [0, 0, 0, 0]);
});

it("of a request only what came with its head is copied", limits, async () => {
  const body = "y".repeat(900_000);
  const [window = 0, ...rest] = await copiedBy(async () => {
    const response = await rig.send("plain", { method: "POST", path: "/0", body });
    assert.equal(response.status, 200);
    assert.equal(rig.requests.at(-1)?.body.length, body.length);
  });
  assert.ok(window > 0 && window <= READ_BYTES, `${window} bytes`);
  assert.deepEqual(rest, [0, 0, 0]);
});

it("a filter that reads a body costs exactly one copy of it", limits, async () => {
  const size = 40_000;
  const [, joined, read, written] = await copiedBy(async () => {
    const response = await rig.send("reader", { path: `/${size}` });
    assert.equal(response.body.length, size);
  });
  assert.deepEqual([joined, read, written], [0, size, 0]);
});

it("a small response is copied once, into one write with its head", limits, async () => {
  const moved = await copiedBy(() => rig.send("plain", { path: "/100" }));
  assert.deepEqual(moved, [0, 100, 0, 0]);
});
