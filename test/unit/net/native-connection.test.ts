import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { NativeConnection } from "../../../src/net/native-connection.ts";
import { NEEDS_NATIVE } from "../main/fixtures/sockets.ts";
import { accepted, chooseWay, close } from "./connection-rig.ts";
import { connectionSuite } from "./connection-suite.ts";

chooseWay("native");

describe("over the addon's sockets", NEEDS_NATIVE, () => {
  connectionSuite();

  test("the connections are those over the addon", async () => {
    const { client, owner, connection } = await accepted();
    assert.ok(connection instanceof NativeConnection);
    await close(client, owner);
  });
});
