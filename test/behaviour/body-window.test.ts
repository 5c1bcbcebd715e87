/**
 * Guests that lend memory for bodies (`granary.body_window`): what they see, what reaches the
 * client, and that nothing goes wrong when the memory moves or is gone under a read.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { bootstrap, cluster, listener, wasmFilter } from "../harness/config.ts";
import { FakeUpstream, type FakeUpstreamConnection } from "../harness/fake-upstream.ts";
import { REPOSITORY_ROOT, untilLogged } from "../harness/filter-rig.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy.ts";
import { RawClient } from "../harness/raw-client.ts";
import { CONTINUE, type Script, scriptedGuest, TRAP } from "../harness/scripted-guest.ts";

const limits = { timeout: 30_000 };
const HEAD = "(i32.const 2900)";
const REGION_BYTES = 40_008;

/** Lends, or with `length` 0 takes back, the region of the stream. */
function window(s: Script, length: number): string {
  const name = s.slice("granary.body_window");
  return `(i32.store ${HEAD} (i32.const 1))
    (i32.store offset=4 ${HEAD} (local.get $region))
    (i32.store offset=8 ${HEAD} (i32.const ${length}))
    (if (call $proxy_call_foreign_function ${name} ${HEAD} (i32.const 12)
      (i32.const 0) (i32.const 0)) (then ${s.note("refused")}))`;
}

/** Each stream has a region of its own from the second page on. */
const REGION = `(local $region i32)
  (local.set $region (i32.mul (i32.const 65536)
    (i32.add (i32.const 1) (i32.rem_u (local.get $ctx) (i32.const 6)))))`;

/** The first letter of the path decides: grow the memory, trap, take back at the first body. */
const GUEST = scriptedGuest(
  (s) => ({
    proxy_on_request_headers: [
      "(local $letter i32)",
      `(drop (call $proxy_get_header_map_value (i32.const 0) ${s.slice(":path")}
        (i32.const 3040) (i32.const 3044)))`,
      "(local.set $letter (i32.load8_u offset=1 (i32.load (i32.const 3040))))",
      `(if (i32.eq (local.get $letter) (i32.const ${"g".charCodeAt(0)}))
        (then (drop (memory.grow (i32.const 16)))))`,
      `(if (i32.eq (local.get $letter) (i32.const ${"t".charCodeAt(0)})) (then ${TRAP}))`,
      `(if (i32.eq (local.get $letter) (i32.const ${"b".charCodeAt(0)}))
        (then (global.set $saved (local.get $ctx))))`,
      CONTINUE,
    ],
    proxy_on_response_headers: [
      REGION,
      `(if (i32.eqz (local.get $b)) (then
        (global.set $sum (i32.const 0))
        ${window(s, REGION_BYTES)}))`,
      CONTINUE,
    ],
    proxy_on_response_body: [
      "(local $at i32)",
      REGION,
      s.note("body", "(local.get $a)", "(i32.load (local.get $region))"),
      `(local.set $at (i32.const 0))
       (block $end (loop $next
         (br_if $end (i32.ge_u (local.get $at) (i32.load (local.get $region))))
         (global.set $sum (i32.add (global.get $sum) (i32.load8_u offset=8
           (i32.add (local.get $region) (local.get $at)))))
         (local.set $at (i32.add (local.get $at) (i32.const 1)))
         (br $next)))`,
      `(if (local.get $b) (then ${s.note("sum", "(global.get $sum)")}))`,
      // Taken back: a mark that nobody may write over from now on.
      `(if (i32.eq (global.get $saved) (local.get $ctx)) (then
        ${window(s, 0)}
        ${s.note("mark", "(i32.load offset=8 (local.get $region))")}
        (i32.store (local.get $region) (i32.const 0))
        (i32.store offset=8 (local.get $region) (i32.const 77))))`,
      CONTINUE,
    ],
  }),
  { memory: '(memory (export "memory") 8)', fields: "(global $sum (mut i32) (i32.const 0))" },
);

const PATTERN = Buffer.alloc(1_000_000);
for (let i = 0; i < PATTERN.length; i++) PATTERN[i] = (i * 31 + (i >> 8)) & 0xff;
const TEXT = PATTERN.toString("latin1");
const sumOf = (length: number): number =>
  PATTERN.subarray(0, length).reduce((sum, byte) => (sum + byte) >>> 0, 0);

let directory: string;
let upstream: FakeUpstream;
let proxy: ProxyProcess;
/** Requests for bodies, which the test answers. */
const asked: FakeUpstreamConnection[] = [];
let wake = (): void => undefined;

function filters(more = ""): string[] {
  const code = `{filename: ${JSON.stringify(join(directory, "guest.wasm"))}}`;
  return [wasmFilter({ name: "lender", code, more: `failure_policy: FAIL_OPEN${more}` })];
}

function configuration(more = ""): string {
  const example = join(REPOSITORY_ROOT, "examples/filters/rust/body-window/body-window.wasm");
  const rust = wasmFilter({ name: "rust", code: `{filename: ${JSON.stringify(example)}}` });
  return bootstrap(
    [listener({ filters: filters(more) }), listener({ name: "rust", filters: [rust] })],
    [cluster("upstream", upstream.port)],
  );
}

before(async () => {
  directory = mkdtempSync(join(tmpdir(), "granary-body-window-"));
  writeFileSync(join(directory, "guest.wasm"), GUEST);
  upstream = await FakeUpstream.listen({
    onRequest: (request, connection) => {
      if (/ \/[gt]/.test(request.head)) {
        connection.write("HTTP/1.1 204 No Content\r\n\r\n");
        return;
      }
      asked.push(connection);
      wake();
    },
  });
  // Without the trap handler's reservation a memory that grows moves: an old address would be seen.
  const env = { NODE_OPTIONS: "--disable-wasm-trap-handler" };
  proxy = await startProxy({ yaml: configuration(), concurrency: 1, env });
});

after(async () => {
  assert.equal(await proxy.stop(), 0);
  await upstream.close();
  rmSync(directory, { recursive: true });
});

class Download {
  readonly client: RawClient;
  readonly upstream: FakeUpstreamConnection;
  readonly #from: number;
  readonly #length: number;
  #sent = 0;

  private constructor(client: RawClient, upstream: FakeUpstreamConnection, length: number) {
    this.client = client;
    this.upstream = upstream;
    this.#length = length;
    this.#from = proxy.log.length;
  }

  /** Asks for `path`; the head of the answer and its first 1,000 bytes arrive. */
  static async begin(path: string, length: number, name = "main"): Promise<Download> {
    const client = await RawClient.open(proxy.port(name));
    client.send(`GET ${path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`);
    while (asked.length === 0) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    const download = new Download(client, asked.shift() as FakeUpstreamConnection, length);
    download.upstream.write(`HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\n\r\n`);
    await download.send(1_000);
    return download;
  }

  /** Sends so many bytes more and waits until the client has them. */
  async send(count: number): Promise<void> {
    this.upstream.write(TEXT.slice(this.#sent, this.#sent + count));
    this.#sent += count;
    await this.client.until(() => this.received.length === this.#sent);
  }

  async finish(): Promise<void> {
    await this.send(this.#length - this.#sent);
    assert.ok(this.received === TEXT.slice(0, this.#length), "the body is whole");
    this.client.close();
  }

  get received(): string {
    const text = this.client.received;
    return text.slice(text.indexOf("\r\n\r\n") + 4);
  }

  /** `<size> <in the region>` of the body events since it began. */
  get events(): readonly (readonly [number, number])[] {
    const lines = proxy.log.slice(this.#from).matchAll(/: body (\d+) (\d+)$/gm);
    return [...lines].map(([, size, shown]) => [Number(size), Number(shown)] as const);
  }

  get sum(): number {
    return Number(/: sum (\d+) /.exec(proxy.log.slice(this.#from))?.[1] ?? -1);
  }

  async logged(text: string): Promise<void> {
    while (!proxy.log.slice(this.#from).includes(text)) await wait(5);
  }
}

const copies = async (reason: string): Promise<number> =>
  (await proxy.stat(`granary.body.bytes_copied.${reason}`)) ?? -1;

async function get(path: string): Promise<string> {
  const client = await RawClient.open(proxy.port("main"));
  client.send(`GET ${path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`);
  const text = await client.untilClosed();
  client.close();
  return text;
}

describe("a guest that lends memory for a body", () => {
  it("sees all of it there, copied only where it came with the head", limits, async () => {
    const before = await copies("filter_read");
    const download = await Download.begin("/", 200_000);
    for (let i = 0; i < 5; i++) await download.send(30_000);
    await download.finish();
    await download.logged(": sum ");
    for (const [size, shown] of download.events) assert.equal(shown, size);
    assert.equal(download.sum, sumOf(200_000));
    const copied = (await copies("filter_read")) - before;
    // The first part, and what may be left of a body that is too little for a read of its own.
    assert.ok(copied >= 1_000 && copied < 2_024, `${copied} bytes`);
  });

  it("sees bodies in chunks, whose frames never reach its memory", limits, async () => {
    const client = await RawClient.open(proxy.port("main"));
    client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    while (asked.length === 0) await wait(5);
    const from = proxy.log.length;
    const connection = asked.shift() as FakeUpstreamConnection;
    connection.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    let at = 0;
    for (const size of [10, 5_000, 1, 100_000, 30_000]) {
      connection.write(`${size.toString(16)}\r\n${TEXT.slice(at, at + size)}\r\n`);
      at += size;
    }
    connection.write("0\r\n\r\n");
    await client.untilClosed();
    while (!proxy.log.slice(from).includes(": sum ")) await wait(5);
    const log = proxy.log.slice(from);
    // An event that is larger than the region is not shown there.
    const shown = [...log.matchAll(/: body (\d+) (\d+)$/gm)].map(([, size, part]) => [size, part]);
    for (const [size, part] of shown) {
      assert.ok(part === size || Number(size) > REGION_BYTES - 8, `${part} of ${size}`);
    }
    client.close();
  });

  it("does not hold up a client that reads slowly", limits, async () => {
    const before = await copies("lent");
    const download = await Download.begin("/", 1_000_000);
    download.client.socket.pause();
    // More than the sockets' buffers take, with a pause of the client in the middle.
    download.upstream.write(TEXT.slice(1_000));
    while ((await copies("lent")) === before && download.upstream.socket.writableLength > 0) {
      await wait(5);
    }
    download.client.socket.resume();
    await download.client.until(() => download.received.length === 1_000_000);
    assert.ok(download.received === TEXT, "the body is whole");
    download.client.close();
  });
});

describe("memory that is lent", () => {
  it("may grow under a read, by the stream or by another one", limits, async () => {
    const download = await Download.begin("/", 300_000);
    await download.send(20_000);
    // The next read is already under way when this stream makes the memory move.
    await get("/grow");
    await download.send(30_000);
    await get("/grow");
    await get("/grow");
    await download.finish();
    await download.logged(": sum ");
    assert.equal(download.sum, sumOf(300_000));
    for (const [size, shown] of download.events) assert.equal(shown, size);
  });

  it("is not written to once it was taken back", limits, async () => {
    const download = await Download.begin("/back", 100_000);
    await download.send(30_000);
    await download.send(30_000);
    await download.finish();
    const found = () => [...proxy.log.matchAll(/: mark (\d+) /g)].map(([, mark]) => Number(mark));
    await untilLogged(proxy, () => found().length >= 4);
    const marks = found();
    assert.ok(marks.length >= 4);
    assert.deepEqual(new Set(marks.slice(1)), new Set([77]));
    const [, ...later] = download.events;
    for (const [, shown] of later) assert.equal(shown, 0);
  });

  it("goes with its VM, and bodies go on without it", limits, async () => {
    const download = await Download.begin("/", 300_000);
    await download.send(20_000);
    await get("/trap");
    await download.send(30_000);
    await download.finish();
    // The VM that took over serves and lends again.
    const next = await Download.begin("/", 100_000);
    await next.finish();
    await next.logged(": sum ");
    assert.equal(next.sum, sumOf(100_000));
  });

  it("of two streams at a time is not mixed up", limits, async () => {
    const one = await Download.begin("/", 200_000);
    const two = await Download.begin("/", 150_000);
    for (let i = 0; i < 3; i++) {
      await one.send(20_000 + i);
      await two.send(30_000 + i);
    }
    await two.finish();
    await one.finish();
  });

  it(
    "is given back when the client leaves, and by a live update after the body",
    limits,
    async () => {
      const gone = await Download.begin("/", 200_000);
      await gone.send(20_000);
      gone.client.close();
      await gone.upstream.closed;
      const download = await Download.begin("/", 200_000);
      await download.send(20_000);
      await proxy.reload(configuration(", root_id: next"));
      await download.send(30_000);
      await download.finish();
      await download.logged(": sum ");
      assert.equal(download.sum, sumOf(200_000));
      // The region of the stream that ended can be lent to the next one.
      const next = await Download.begin("/", 50_000);
      await next.finish();
      assert.ok(!proxy.log.includes(": refused"));
    },
  );
});

it("the example in Rust counts a body that it never copies", limits, async () => {
  const download = await Download.begin("/", 400_000, "rust");
  for (let i = 0; i < 6; i++) await download.send(60_000);
  await download.finish();
  const count = async (name: string): Promise<number> =>
    (await proxy.stat(`wasmcustom.body_window.${name}`)) ?? 0;
  assert.equal(await count("bytes_in_window"), 400_000);
  assert.equal(await count("bytes_copied"), 0);
  const lines = PATTERN.subarray(0, 400_000).filter((byte) => byte === 10).length;
  assert.equal(await count("lines"), lines);
});
