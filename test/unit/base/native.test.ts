import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, Socket } from "node:net";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { present } from "../../../src/base/assert.ts";
import { loadNative, NATIVE_SWITCH } from "../../../src/base/native.ts";
import { client, NATIVE, NEEDS_NATIVE } from "../main/fixtures/sockets.ts";

const KILLED = fileURLToPath(new URL("../main/fixtures/killed-worker.js", import.meta.url));

describe("native addon", NEEDS_NATIVE, () => {
  it("duplicates a connection that lives on when the first copy is closed", async () => {
    const bindings = present(NATIVE, "addon");
    const server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const accepted = once(server, "connection");
    const visitor = await client(port);
    const [socket] = (await accepted) as [Socket & { _handle: { fd: number } }];
    const fd = bindings.dupFd(socket._handle.fd);
    assert.ok(fd > 2);
    assert.notEqual(fd, socket._handle.fd);
    socket.destroy();
    await once(socket, "close");
    const copy = new Socket({ fd, readable: true, writable: true });
    const data = once(visitor, "data");
    copy.write("from the copy");
    assert.equal(String((await data)[0]), "from the copy");
    copy.destroy();
    visitor.destroy();
    server.close();
  });

  it("answers a negative errno for what is no descriptor", () => {
    const bindings = present(NATIVE, "addon");
    assert.ok(bindings.dupFd(-1) < 0);
    assert.ok(bindings.closeFd(-1) < 0);
    for (const odd of [Number.NaN, 0.5, 2 ** 32]) assert.ok(bindings.dupFd(odd) < 0, `${odd}`);
  });

  it("tells both ends of a connection, over IPv4 and IPv6, and nothing of what is none", async () => {
    const bindings = present(NATIVE, "addon");
    for (const host of ["127.0.0.1", "::1"]) {
      const server = createServer().listen(0, host);
      await once(server, "listening");
      const { port } = server.address() as { port: number };
      const accepted = once(server, "connection");
      const visitor = connect(port, host);
      const [socket] = (await accepted) as [Socket & { _handle: { fd: number } }];
      const ends = bindings.socketEnds(socket._handle.fd);
      assert.equal(ends, `${host} ${visitor.localPort} ${host} ${port}`);
      visitor.destroy();
      socket.destroy();
      server.close();
    }
    for (const odd of [-1, Number.NaN, 0]) assert.equal(bindings.socketEnds(odd), "");
  });

  it("caps what the kernel keeps of a connection that nobody reads", async () => {
    const bindings = present(NATIVE, "addon");
    const server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const accepted = once(server, "connection");
    const visitor = await client(port);
    const [socket] = (await accepted) as [Socket & { _handle: { fd: number } }];
    const { fd } = socket._handle;
    for (const bytes of [16_384, 65_536]) {
      assert.equal(
        bindings.capReceiveBuffer(fd, bytes),
        process.platform === "linux" ? 2 * bytes : bytes,
      );
    }
    assert.ok(bindings.capReceiveBuffer(-1, 16_384) < 0);
    assert.ok(bindings.capReceiveBuffer(fd, undefined as unknown as number) < 0);
    visitor.destroy();
    socket.destroy();
    server.close();
  });

  it("keeps the process alive when a worker with open uWS sockets is killed", (context) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [KILLED], { encoding: "utf8" });
    if (stdout.includes("SKIP")) {
      context.skip(stdout.trim());
      return;
    }
    assert.equal(stdout, "5 connections closed, process alive\n", stderr);
    assert.equal(status, 0);
  });
});

describe("native addon, switched off", () => {
  it("is absent with the switch as the reason", () => {
    assert.deepEqual(loadNative({ [NATIVE_SWITCH]: "off" }), {
      kind: "absent",
      reason: "GRANARY_NATIVE=off",
    });
  });
});
