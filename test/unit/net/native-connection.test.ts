import assert from "node:assert/strict";
import { once } from "node:events";
import { fstatSync, openSync } from "node:fs";
import { constants } from "node:os";
import { describe, test } from "node:test";
import { present } from "../../../src/base/assert.ts";
import { NativeConnection } from "../../../src/net/native-connection.ts";
import { nativeSockets } from "../../../src/net/native-sockets.ts";
import { ConnectionRecorder } from "../../harness/connection-recorder.ts";
import { NEEDS_NATIVE } from "../main/fixtures/sockets.ts";
import { accepted, chooseWay, close, slab } from "./connection-rig.ts";
import { connectionSuite } from "./connection-suite.ts";

chooseWay("native");

describe("over the addon's sockets", NEEDS_NATIVE, () => {
  connectionSuite();

  // libuv's streams tell an end instead.
  test("bytes that came before a reset are told before it", async () => {
    const { client, owner, connection } = await accepted();
    client.write("1");
    await owner.until(() => owner.text === "1");
    connection.pause();
    await new Promise((resolve) => client.write("2", resolve));
    client.resetAndDestroy();
    await once(client, "close");
    connection.resume();
    await owner.closed();
    assert.equal(owner.text, "12");
    assert.equal((owner.error as NodeJS.ErrnoException | null)?.code, "ECONNRESET");
  });

  test("a descriptor that cannot be adopted does not stay open", () => {
    const calls = present(nativeSockets(), "the addon's sockets");
    const failing = { ...calls, adopt: () => -constants.errno.ENOMEM };
    const events = new ConnectionRecorder();
    const fd = openSync("/dev/null", "r");
    assert.throws(() => NativeConnection.adopt(failing, fd, events, slab), /adopt ENOMEM/);
    assert.throws(() => fstatSync(fd), /EBADF/);
    assert.throws(() => NativeConnection.adopt(calls, 1_000_000, events, slab), /adopt EBADF/);
  });

  test("the connections are those over the addon", async () => {
    const { client, owner, connection } = await accepted();
    assert.ok(connection instanceof NativeConnection);
    await close(client, owner);
  });
});
