import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BodyChunk } from "../../../src/shm/body-chunk.ts";
import { UwsBody } from "../../../src/silo/downstream/uws-body.ts";
import { FakeUwsHandle } from "../../harness/fake-uws.ts";

function chunk(text: string): BodyChunk {
  return BodyChunk.ofHeap(Buffer.from(text, "latin1"));
}

describe("uws body of a known length", () => {
  test("completes with the last byte, and keeps what uWS does not take", () => {
    const handle = new FakeUwsHandle();
    const body = new UwsBody();
    body.totalBytes = 10;
    handle.room = 4;
    const first = chunk("abcdef");
    body.push(handle, first);
    assert.deepEqual([body.blocked, body.pendingBytes, first.references], [true, 2, 2]);
    const second = chunk("ghij");
    body.push(handle, second);
    assert.deepEqual([body.pendingBytes, handle.sent], [6, "abcd"]);
    handle.room = 3;
    body.drain(handle);
    assert.deepEqual([body.blocked, body.pendingBytes, handle.sent], [true, 3, "abcdefg"]);
    assert.equal(first.references, 1);
    handle.room = 100;
    body.drain(handle);
    assert.deepEqual([body.complete, body.pendingBytes, handle.sent], [true, 0, "abcdefghij"]);
    assert.equal(second.references, 1);
  });

  test("gives waiting chunks back when the client goes", () => {
    const handle = new FakeUwsHandle();
    const body = new UwsBody();
    body.totalBytes = 10;
    handle.room = 0;
    const waiting = chunk("abc");
    body.push(handle, waiting);
    body.discard();
    assert.deepEqual([waiting.references, body.pendingBytes], [1, 0]);
  });
});

describe("uws body in chunks", () => {
  test("adds nothing but one byte to what uWS still holds", () => {
    const handle = new FakeUwsHandle();
    const body = new UwsBody();
    handle.room = 2;
    body.push(handle, chunk("abcd"));
    assert.deepEqual([body.blocked, body.pendingBytes], [true, 0]);
    body.push(handle, chunk("efgh"));
    assert.deepEqual([body.pendingBytes, handle.held], [4, "cd"]);
    handle.room = 1;
    body.drain(handle);
    assert.deepEqual([body.blocked, body.pendingBytes, handle.held], [true, 3, "de"]);
    handle.room = 100;
    body.drain(handle);
    assert.deepEqual([body.blocked, body.pendingBytes, handle.sent], [false, 0, "abcdefgh"]);
  });

  test("drains what uWS holds even when nothing else waits", () => {
    const handle = new FakeUwsHandle();
    const body = new UwsBody();
    handle.room = 1;
    body.push(handle, chunk("abcd"));
    handle.room = 100;
    body.drain(handle);
    assert.deepEqual([body.blocked, handle.sent], [false, "abcd"]);
  });
});
