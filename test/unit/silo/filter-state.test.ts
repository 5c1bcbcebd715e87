import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ListenerConfig } from "../../../src/config/types.ts";
import { filterStateOf, setFilterState, statePropertyOf } from "../../../src/silo/filter-state.ts";
import { type DownstreamInfo, StreamInfo } from "../../../src/silo/stream-info.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);
const BYTES = { readOnly: false, type: 0, span: 0, message: null };

function connection(): DownstreamInfo {
  const address = {
    remoteIp: "127.0.0.1",
    remotePort: 1,
    directIp: "10.0.0.1",
    directPort: 1,
    localIp: "127.0.0.1",
    localPort: 2,
  };
  return { id: 1, ...address, tls: null };
}

// Only the connection matters here.
const streamOn = (info: DownstreamInfo): StreamInfo =>
  new StreamInfo({} as ListenerConfig, info, 1);

describe("filter state", () => {
  it("is found by its full name", () => {
    const stream = streamOn(connection());
    assert.equal(filterStateOf(stream, "wasm.a"), undefined);
    assert.ok(setFilterState(stream, "wasm.a\0b", bytes("1"), BYTES));
    assert.deepEqual(filterStateOf(stream, "wasm.a\0b"), bytes("1"));
    assert.deepEqual(statePropertyOf(stream, "wasm.a\0b"), bytes("1"));
    assert.equal(statePropertyOf(stream, "wasm.a"), undefined);
  });

  it("of a stream is not seen by the next one on its connection", () => {
    const shared = connection();
    setFilterState(streamOn(shared), "k", bytes("1"), BYTES);
    assert.equal(filterStateOf(streamOn(shared), "k"), undefined);
  });

  it("of a connection is seen by all its streams, and by no other connection", () => {
    const shared = connection();
    setFilterState(streamOn(shared), "k", bytes("1"), { ...BYTES, span: 2 });
    const later = streamOn(shared);
    assert.deepEqual(filterStateOf(later, "k"), bytes("1"));
    assert.ok(setFilterState(later, "k", bytes("2"), BYTES));
    assert.deepEqual(filterStateOf(streamOn(shared), "k"), bytes("2"));
    assert.equal(filterStateOf(streamOn(connection()), "k"), undefined);
  });

  it("keeps its first declaration: type and whether it may change", () => {
    const stream = streamOn(connection());
    setFilterState(stream, "t", bytes("a"), { ...BYTES, type: 1 });
    setFilterState(stream, "t", bytes("b"), BYTES);
    assert.equal(filterStateOf(stream, "t"), "b");
    assert.ok(setFilterState(stream, "r", bytes("a"), { ...BYTES, readOnly: true }));
    assert.equal(setFilterState(stream, "r", bytes("b"), BYTES), false);
    assert.deepEqual(filterStateOf(stream, "r"), bytes("a"));
  });
});
