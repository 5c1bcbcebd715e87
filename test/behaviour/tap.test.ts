/**
 * Envoy's HTTP tap filter: which files there are and what stands in them. The files of Envoy 1.40
 * for the same exchanges were looked at; they are called and built like these.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { bootstrap, cluster, listener, wasmFilter } from "../harness/config.ts";
import { FakeUpstream, plainResponse } from "../harness/fake-upstream.ts";
import { REPOSITORY_ROOT, untilLogged } from "../harness/filter-rig.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy.ts";
import { exchange, RawClient } from "../harness/raw-client.ts";

const TAP = "type.googleapis.com/envoy.extensions.filters.http.tap.v3.Tap";
const MIB = 1_048_576;
const limits = { timeout: 30_000 };

let directory: string;
let upstream: FakeUpstream;
let proxy: ProxyProcess;
let onCut: () => void = () => {};

interface TapSpec {
  readonly name: string;
  readonly format?: string;
  readonly match?: string;
  readonly output?: string;
  readonly more?: string;
}

function tap({ name, format, match, output, more }: TapSpec): string {
  const prefix = JSON.stringify(join(directory, name));
  const sink = `{format: ${format ?? "JSON_BODY_AS_BYTES"}, file_per_tap: {path_prefix: ${prefix}}}`;
  const config = `{match: ${match ?? "{any_match: true}"}, output_config: {sinks: [${sink}]${output ?? ""}}}`;
  return `{name: envoy.filters.http.tap, typed_config: {"@type": ${TAP}, common_config: {static_config: ${config}}${more ?? ""}}}`;
}

const ADDER = wasmFilter({
  name: "adder",
  code: `{filename: ${JSON.stringify(join(REPOSITORY_ROOT, "examples/filters/rust/add-header/add-header.wasm"))}}`,
});

const LARGE = ", max_buffered_rx_bytes: 2000000, max_buffered_tx_bytes: 2000000";
const onHeader = (part: string, name: string, value: string): string =>
  `{http_${part}_headers_match: {headers: [{name: "${name}", string_match: {exact: "${value}"}}]}}`;

function configuration(): string {
  const taps: readonly TapSpec[] = [
    { name: "bytes", output: LARGE },
    { name: "string", format: "JSON_BODY_AS_STRING" },
    { name: "binary", format: "PROTO_BINARY" },
    { name: "delimited", format: "PROTO_BINARY_LENGTH_DELIMITED" },
    { name: "text", format: "PROTO_TEXT" },
    { name: "short", output: ", max_buffered_rx_bytes: 4, max_buffered_tx_bytes: 8" },
    { name: "none", output: ", max_buffered_rx_bytes: 0, max_buffered_tx_bytes: 0" },
    {
      name: "more",
      more: ", record_headers_received_time: true, record_downstream_connection: true",
    },
    { name: "asked", match: onHeader("request", "x-tap", "yes") },
    {
      name: "rules",
      match: `{or_match: {rules: [${onHeader("response", ":status", "500")},
        {and_match: {rules: [${onHeader("request", "x-tap", "yes")},
          {not_match: ${onHeader("request", ":path", "/not")}}]}}]}}`.replace(/\s*\n\s*/g, " "),
    },
  ];
  const listeners = taps.map((spec) => listener({ name: spec.name, filters: [tap(spec)] }));
  const beside = [tap({ name: "before" }), ADDER, tap({ name: "behind" })];
  const nowhere = tap({ name: "no-such-directory/x" });
  return bootstrap(
    [
      ...listeners,
      listener({ name: "beside", filters: beside }),
      listener({ name: "nowhere", filters: [nowhere] }),
    ],
    [cluster("upstream", upstream.port)],
  );
}

before(async () => {
  directory = mkdtempSync(join(tmpdir(), "granary-tap-"));
  upstream = await FakeUpstream.listen({
    onHead: ({ target }) => {
      if (target === "/cut") onCut();
    },
    onRequest: ({ target: path, body }, connection) => {
      if (path === "/500") connection.write(plainResponse(500, "bad"));
      else if (path === "/empty") connection.write(plainResponse(200, ""));
      else if (path === "/echo")
        connection.write(plainResponse(200, body, "x-multi: a\r\nx-multi: b\r\n"));
      else if (path === "/part") {
        connection.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npart");
        connection.socket.destroySoon();
      } else connection.write(plainResponse(200, `answer to ${body.length}`));
    },
  });
  proxy = await startProxy({ yaml: configuration(), concurrency: 2 });
});

after(async () => {
  assert.equal(await proxy.stop(), 0);
  await upstream.close();
  rmSync(directory, { recursive: true });
});

function request(path: string, body = "", more = ""): string {
  const length = body === "" ? "" : `content-length: ${body.length}\r\n`;
  const method = body === "" ? "GET" : "POST";
  return `${method} ${path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n${length}${more}\r\n${body}`;
}

const seen = new Set<string>();
const filesOf = (name: string): string[] =>
  readdirSync(directory).filter((file) => file.startsWith(`${name}_`) && !seen.has(file));

/** The next file of a tap, once it is whole. */
async function fileOf(name: string): Promise<{ readonly file: string; readonly bytes: Buffer }> {
  for (;;) {
    const [file] = filesOf(name);
    if (file !== undefined) {
      const bytes = readFileSync(join(directory, file));
      // It is there before all its bytes are.
      if (bytes.length > 0 && (!file.endsWith(".json") || bytes.at(-1) === 0x0a)) {
        seen.add(file);
        return { file, bytes };
      }
    }
    await wait(10);
  }
}

interface Message {
  readonly headers: readonly { readonly key: string; readonly value: string }[];
  readonly body?: { readonly as_bytes?: string; readonly as_string?: string; truncated: boolean };
  readonly headers_received_time?: string;
}
interface Traced {
  readonly request: Message;
  readonly response?: Message;
  readonly downstream_connection?: Record<string, { socket_address: Record<string, unknown> }>;
}

async function traced(name: string): Promise<Traced> {
  const { bytes } = await fileOf(name);
  return (JSON.parse(bytes.toString()) as { http_buffered_trace: Traced }).http_buffered_trace;
}

const values = (message: Message | undefined, name: string): string[] =>
  (message?.headers ?? []).filter(({ key }) => key === name).map(({ value }) => value);
const bodyOf = (message: Message | undefined): Buffer =>
  Buffer.from(message?.body?.as_bytes ?? "", "base64");

async function send(name: string, text: string): Promise<void> {
  await exchange(proxy.port(name), text);
}

describe("a tapped stream", () => {
  it("is a file of its own, with headers and bodies of both ways", limits, async () => {
    await send("bytes", request("/echo", "hello"));
    const { file, bytes } = await fileOf("bytes");
    assert.match(file, /^bytes_\d{1,20}\.json$/);
    assert.match(bytes.toString(), /^\{\n "http_buffered_trace": \{\n {2}"request": \{\n/);
    const trace = (JSON.parse(bytes.toString()) as { http_buffered_trace: Traced })
      .http_buffered_trace;
    assert.deepEqual(values(trace.request, ":path"), ["/echo"]);
    assert.deepEqual(values(trace.request, ":method"), ["POST"]);
    assert.deepEqual(trace.request.body, { as_bytes: "aGVsbG8=", truncated: false });
    assert.deepEqual(values(trace.response, ":status"), ["200"]);
    assert.deepEqual(values(trace.response, "x-multi"), ["a", "b"]);
    assert.deepEqual(trace.response?.body, { as_bytes: "aGVsbG8=", truncated: false });
    assert.equal("downstream_connection" in trace, false);
    assert.equal("headers_received_time" in trace.request, false);
  });

  it("has no body where none passed", limits, async () => {
    await send("bytes", request("/empty"));
    const { request: asked, response } = await traced("bytes");
    assert.equal("body" in asked, false);
    assert.equal("body" in (response ?? {}), false);
  });

  it("has long bodies whole, in order, without a copy of most of it", limits, async () => {
    const body = Buffer.alloc(MIB);
    for (let at = 0; at < MIB; at += 4) body.writeUInt32LE(at, at);
    const text = body.toString("latin1").replaceAll("\r", "-");
    const copied = "granary.body.bytes_copied.tapped";
    const before = (await proxy.stat(copied)) ?? 0;
    await send("bytes", request("/echo", text));
    const trace = await traced("bytes");
    assert.ok(((await proxy.stat(copied)) ?? 0) - before < MIB / 2, "of 2 MiB");
    assert.ok(bodyOf(trace.request).equals(Buffer.from(text, "latin1")));
    assert.ok(bodyOf(trace.response).equals(Buffer.from(text, "latin1")));
    assert.equal(trace.request.body?.truncated, false);
  });

  it("says that a body was longer than what is kept", limits, async () => {
    await send("short", request("/echo", "hello"));
    const trace = await traced("short");
    assert.deepEqual(trace.request.body, { as_bytes: "aGVsbA==", truncated: true });
    assert.deepEqual(trace.response?.body, { as_bytes: "aGVsbG8=", truncated: false });
    await send("none", request("/echo", "hello"));
    const none = await traced("none");
    assert.equal("body" in none.request, false);
  });

  it("is written with what there was when it is reset", limits, async () => {
    const arrived = new Promise<void>((resolve) => {
      onCut = resolve;
    });
    await send("bytes", request("/part"));
    const { request: asked, response } = await traced("bytes");
    assert.deepEqual(values(asked, ":path"), ["/part"]);
    assert.equal(bodyOf(response).toString(), "part");
    const client = await RawClient.open(proxy.port("bytes"));
    client.send("POST /cut HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nsome");
    await arrived;
    client.close();
    const cut = await traced("bytes");
    assert.deepEqual(values(cut.request, ":path"), ["/cut"]);
    assert.equal("response" in cut, false);
  });

  it("has times and addresses where they are asked for", limits, async () => {
    await send("more", request("/"));
    const trace = await traced("more");
    const now = Date.now();
    for (const { headers_received_time: time } of [
      trace.request,
      trace.response ?? trace.request,
    ]) {
      assert.ok(Math.abs(Date.parse(time ?? "") - now) < 60_000, time);
    }
    const { local_address: local, remote_address: remote } = trace.downstream_connection ?? {};
    assert.equal(local?.socket_address["port_value"], proxy.port("more"));
    assert.equal(remote?.socket_address["address"], "127.0.0.1");
  });
});

describe("a tap", () => {
  it("writes text bodies as text, and protobuf in three forms", limits, async () => {
    await send("string", request("/echo", 'say "hi"'));
    const { request: asked } = await traced("string");
    assert.deepEqual(asked.body, { as_string: 'say "hi"', truncated: false });

    await send("binary", request("/echo", "hello"));
    const binary = await fileOf("binary");
    assert.match(binary.file, /^binary_\d+\.pb$/);
    assert.equal(binary.bytes[0], 0x0a, "field 1, http_buffered_trace");
    await send("delimited", request("/echo", "hello"));
    const delimited = await fileOf("delimited");
    assert.match(delimited.file, /^delimited_\d+\.pb_length_delimited$/);
    const low = delimited.bytes.readUInt8(0) & 127;
    assert.equal(low + 128 * delimited.bytes.readUInt8(1), delimited.bytes.length - 2);

    await send("text", request("/echo", "a\nb"));
    const text = await fileOf("text");
    assert.match(text.file, /^text_\d+\.pb_text$/);
    assert.match(
      text.bytes.toString(),
      /^http_buffered_trace \{\n {2}request \{\n {4}headers \{\n {6}key: "/,
    );
    assert.ok(text.bytes.includes('    body {\n      as_bytes: "a\\nb"\n    }\n'));
  });

  it(
    "writes the streams that match, by request and response, and counts them",
    limits,
    async () => {
      await send("asked", request("/"));
      await send("asked", request("/wanted", "", "x-tap: yes\r\n"));
      assert.deepEqual(values((await traced("asked")).request, ":path"), ["/wanted"]);
      assert.equal(await proxy.stat("http.asked.tap.rq_tapped"), 1);

      await send("rules", request("/"));
      await send("rules", request("/not", "", "x-tap: yes\r\n"));
      await send("rules", request("/500"));
      assert.deepEqual(values((await traced("rules")).response, ":status"), ["500"]);
      await send("rules", request("/yes", "", "x-tap: yes\r\n"));
      assert.deepEqual(values((await traced("rules")).request, ":path"), ["/yes"]);
      assert.equal(await proxy.stat("http.rules.tap.rq_tapped"), 2);
      assert.deepEqual([...filesOf("asked"), ...filesOf("rules")], []);
    },
  );

  it("stands anywhere beside Wasm filters", limits, async () => {
    await send("beside", request("/echo", "hello"));
    for (const name of ["before", "behind"]) {
      const trace = await traced(name);
      assert.equal(bodyOf(trace.request).toString(), "hello");
      assert.equal(bodyOf(trace.response).toString(), "hello");
    }
    const ids = [...seen].map((file) => /^(?:before|behind)_(\d+)/.exec(file)?.[1] ?? "");
    assert.equal(new Set(ids.filter((id) => id !== "")).size, 1, "both are named by the stream");
    assert.equal(await proxy.stat("http.beside.tap.rq_tapped"), 2);
    assert.equal(await proxy.stat("http.beside.tap.rq_dropped"), 0);
  });

  it("that cannot write says so once, and disturbs nobody", limits, async () => {
    await send("nowhere", request("/"));
    await send("nowhere", request("/"));
    const line = /tap: .*no-such-directory\/x_\d+\.json was not written.*ENOENT/;
    await untilLogged(proxy, (each) => line.test(each));
    await send("bytes", request("/"));
    await traced("bytes");
    assert.equal(proxy.log.split("\n").filter((each) => line.test(each)).length, 1);
  });

  it("comes and goes with an update of the configuration", limits, async () => {
    const clusters = [cluster("upstream", upstream.port)];
    await proxy.reload(bootstrap([listener({ name: "bytes" })], clusters));
    await send("bytes", request("/untapped"));
    const filters = [tap({ name: "later" })];
    await proxy.reload(bootstrap([listener({ name: "bytes", filters })], clusters));
    await send("bytes", request("/tapped"));
    assert.deepEqual(values((await traced("later")).request, ":path"), ["/tapped"]);
    assert.deepEqual(filesOf("bytes"), []);
  });
});
