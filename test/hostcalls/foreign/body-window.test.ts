/** `granary.body_window`: what may be lent. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LIMITS } from "../../../src/base/limits.ts";
import { FakeStream } from "../../harness/fake-roles.ts";
import { Guest, inPhase, type Result } from "../guest.ts";

const PHASE = "proxy_on_response_headers";
const RESPONSE = 1;
/** The guest's memory has 4 pages. */
const MEMORY_BYTES = 4 * 65_536;
const AT = 131_072;
const BAD_ARGUMENT = 2;

function words(...values: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32LE(value >>> 0, 4 * index);
  return bytes;
}

const call = (guest: Guest, args: Uint8Array): Result =>
  guest.fetch(
    "proxy_call_foreign_function",
    ...guest.put("granary.body_window"),
    ...guest.put(args),
  );

const lend = (guest: Guest, ptr: number, length: number, type = RESPONSE): number =>
  call(guest, words(type, ptr, length)).status;

describe("foreign function granary.body_window", () => {
  it("lends a region for either body, and takes it back", () => {
    const got = inPhase(PHASE, (guest) => [
      lend(guest, AT, 4_096),
      lend(guest, AT + 4_096, 4_096, 0),
      lend(guest, AT, 0),
      lend(guest, AT, 0),
      lend(guest, AT, 4_096, 0),
    ]);
    assert.deepEqual(got, [0, 0, 0, 0, 0]);
  });

  it("refuses a region outside of the memory", () => {
    const got = inPhase(PHASE, (guest) => [
      lend(guest, MEMORY_BYTES - 1_023, 1_024),
      lend(guest, MEMORY_BYTES, 1_024),
      lend(guest, -1_024, 1_024),
      lend(guest, 0xffffff00, 1_024),
      lend(guest, MEMORY_BYTES - 1_024, 1_024),
    ]);
    assert.deepEqual(got, [...Array(4).fill(BAD_ARGUMENT), 0]);
  });

  it("refuses what is too small, too large, or no body", () => {
    const got = inPhase(PHASE, (guest) => [
      lend(guest, AT, 1_023),
      lend(guest, 0, LIMITS.bodyWindowBytes + 1),
      lend(guest, AT, 0xffffffff),
      ...[2, 3, 6, 0xffffffff].map((type) => lend(guest, AT, 4_096, type)),
      call(guest, words(RESPONSE, AT)).status,
      call(guest, words(RESPONSE, AT, 4_096, 0)).status,
      call(guest, new Uint8Array(0)).status,
    ]);
    assert.deepEqual(got, Array(10).fill(BAD_ARGUMENT));
  });

  it("refuses a region that is lent already, of the other body or of another stream", () => {
    const guest = new Guest();
    const got: number[] = [];
    let ask: readonly (readonly [number, number])[] = [];
    guest.on("proxy_on_request_headers", (inside) => {
      for (const [ptr, length] of ask) got.push(lend(inside, ptr, length));
      return 0;
    });
    guest.start();
    const [one, two] = [guest.open(), guest.open()];
    ask = [[AT, 4_096]];
    one.onRequestHeaders(0, false);
    ask = [
      [AT + 4_095, 1_024],
      [AT - 1_023, 1_024],
      [AT, 4_096],
      [AT + 4_096, 1_024],
    ];
    two.onRequestHeaders(0, false);
    assert.deepEqual(got, [0, BAD_ARGUMENT, BAD_ARGUMENT, BAD_ARGUMENT, 0]);
  });

  it("refuses where there is no stream, and where its body takes nothing", () => {
    assert.equal(
      inPhase("tick", (guest) => lend(guest, AT, 4_096)),
      BAD_ARGUMENT,
    );
    assert.equal(
      inPhase("proxy_on_log", (guest) => lend(guest, AT, 4_096)),
      BAD_ARGUMENT,
    );
    const guest = new Guest();
    let status = 0;
    guest.on("proxy_on_request_headers", (inside) => {
      status = lend(inside, AT, 4_096);
      return 0;
    });
    guest.start();
    const stream = new FakeStream();
    stream.lendable = "none";
    guest.open(stream).onRequestHeaders(0, false);
    assert.equal(status, BAD_ARGUMENT);
  });
});
