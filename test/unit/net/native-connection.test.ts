import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { NativeConnection } from "../../../src/net/native-connection.ts";
import { NEEDS_NATIVE } from "../main/fixtures/sockets.ts";
import { accepted, chooseWay, close } from "./connection-rig.ts";
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

  test("the connections are those over the addon", async () => {
    const { client, owner, connection } = await accepted();
    assert.ok(connection instanceof NativeConnection);
    await close(client, owner);
  });
});
