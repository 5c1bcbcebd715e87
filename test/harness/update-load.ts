/**
 * Load while the configuration is updated again and again: code, plugin configuration, routes and
 * clusters in turn. Each answer carries the version of each, so an answer that was put together from
 * different configurations, or from one that was not in use at the time, is found.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { cluster, listener } from "./config.ts";
import { FakeUpstream, plainResponse } from "./fake-upstream.ts";
import { guestText } from "./guest-source.ts";
import { type ProxyProcess, startProxy } from "./proxy.ts";
import { compileWat } from "./wat.ts";

export interface UpdateLoadOptions {
  readonly connections: number;
  readonly updates: number;
  readonly concurrency: number;
  /** The load goes on until there were as many, also after the last update. */
  readonly answersMin?: number;
  /** Answers before the first update: heaps grow with the first load, whatever is updated. */
  readonly answersBefore?: number;
  /** Beside this process's own environment. */
  readonly env?: NodeJS.ProcessEnv;
  readonly args?: readonly string[];
}

export interface UpdateLoadReport {
  readonly answers: number;
  /** What was wrong, one line each; at most 20 are kept. */
  readonly failures: readonly string[];
  /** Of POST /reload. */
  readonly updateMs: readonly number[];
  /** Resident bytes of the proxy after each update. */
  readonly residentBytes: readonly number[];
  /** VMs of each silo once the last stream has ended: one, that of the last version. */
  readonly vms: readonly number[];
  readonly exitCode: number | null;
}

/** One configuration: what each part is at. */
interface State {
  readonly code: number;
  readonly config: number;
  readonly route: number;
  readonly cluster: number;
}
const PARTS = ["code", "config", "route", "cluster"] as const;
const FAILURES_MAX = 20;
/** Every n-th request is answered late, so that streams live through updates. */
const LATE_EVERY = 17;
const LATE_MS = 15;

/** Adds `x-code: <version>` and `x-config: <plugin configuration>` to answers. */
function guest(version: number): Uint8Array {
  const text = (at: number, length: number) => `(i32.const ${at}) (i32.const ${length})`;
  const add = (key: string, value: string) =>
    `(drop (call $proxy_add_header_map_value (i32.const 2) ${key} ${value}))`;
  const code = String(version);
  return compileWat(
    guestText({
      data: { 0: "x-code", 16: "x-config", 32: code },
      fields: `(global $at (mut i32) (i32.const 0)) (global $size (mut i32) (i32.const 0))`,
      callbacks: {
        proxy_on_configure: `
          (drop (call $proxy_get_buffer_bytes (i32.const 7) (i32.const 0) (local.get $a)
            (i32.const 64) (i32.const 68)))
          (global.set $at (i32.load (i32.const 64)))
          (global.set $size (i32.load (i32.const 68))) (i32.const 1)`,
        proxy_on_response_headers: `
          ${add(text(0, 6), text(32, code.length))}
          ${add(text(16, 8), "(global.get $at) (global.get $size)")} (i32.const 0)`,
      },
    }),
  );
}

class UpdateLoad {
  readonly failures: string[] = [];
  /** Configurations by number; the last one may not be in use yet. */
  readonly #history: State[] = [{ code: 0, config: 0, route: 0, cluster: 0 }];
  readonly #folder = mkdtempSync(join(tmpdir(), "granary-load-"));
  readonly #upstreams: readonly FakeUpstream[];
  /** Every request sent from now on is answered by this configuration or a later one. */
  #settled = 0;
  #stopping = false;
  answers = 0;
  #enough: { readonly count: number; readonly resume: () => void } | null = null;

  constructor(upstreams: readonly FakeUpstream[]) {
    this.#upstreams = upstreams;
  }

  yaml(): string {
    const state = this.#history.at(-1) as State;
    // Inside the file limits of a script: each code version is a file of its own.
    const path = join(this.#folder, `${state.code}.wasm`);
    writeFileSync(path, guest(state.code));
    const vm = `vm_config: {code: {local: {filename: ${JSON.stringify(path)}}}}`;
    const value = `{"@type": type.googleapis.com/google.protobuf.StringValue, value: "${state.config}"}`;
    const type = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
    const filter = `{name: f, typed_config: {"@type": ${type}, config: {name: f, configuration: ${value}, ${vm}}}}`;
    const header = `{header: {key: x-route, value: "${state.route}"}}`;
    const routes = `[{match: {prefix: /}, route: {cluster: upstream}, response_headers_to_add: [${header}]}]`;
    const upstream = this.#upstreams[state.cluster % this.#upstreams.length] as FakeUpstream;
    const listeners = listener({ routes, filters: [filter] });
    // The timeout makes every version of the cluster another one.
    const more = `connect_timeout: ${5 + state.cluster}s`;
    const clusters = cluster("upstream", upstream.port, more);
    return `static_resources:\n  listeners:\n${listeners}  clusters:\n${clusters}`;
  }

  async update(proxy: ProxyProcess, number: number): Promise<void> {
    const part = PARTS[number % PARTS.length] as (typeof PARTS)[number];
    const before = this.#history.at(-1) as State;
    this.#history.push({ ...before, [part]: before[part] + 1 });
    proxy.configure(this.yaml());
    const { status, body } = await proxy.admin("/reload", "POST");
    if (status !== 200 || !body.includes("1 modified")) this.#fail(`update: ${status} ${body}`);
    this.#settled = this.#history.length - 1;
  }

  /** Resolves when there were `count` answers. */
  answered(count: number): Promise<void> {
    if (this.answers >= count) return Promise.resolve();
    return new Promise((resume) => {
      this.#enough = { count, resume };
    });
  }

  stop(): void {
    this.#stopping = true;
  }

  dispose(): void {
    rmSync(this.#folder, { recursive: true });
  }

  /** Sends one request after the other on one connection until told to stop. */
  client(port: number): Promise<void> {
    return new Promise((resolve) => {
      const socket = connect({ port, host: "127.0.0.1", noDelay: true });
      let received = "";
      let sentAt = 0;
      const send = (): void => {
        if (this.#stopping) {
          socket.destroy();
          resolve();
          return;
        }
        sentAt = this.#settled;
        socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
      };
      socket.setEncoding("latin1").on("data", (text: string) => {
        received += text;
        if (!received.endsWith("ok")) return;
        this.#check(received, sentAt);
        received = "";
        send();
      });
      socket.on("connect", send);
      socket.on("error", (error) => this.#fail(`connection: ${error.message}`));
      socket.on("close", () => {
        if (!this.#stopping) this.#fail(`connection closed after ${JSON.stringify(received)}`);
        resolve();
      });
    });
  }

  #check(answer: string, sentAt: number): void {
    this.answers++;
    if (this.answers === this.#enough?.count) this.#enough.resume();
    const value = (name: string) => new RegExp(`\r\n${name}: (\\d+)\r\n`).exec(answer)?.[1];
    const got = PARTS.map((part) => value(`x-${part}`)).join();
    const possible = this.#history.slice(sentAt).map((state) => {
      const upstream = state.cluster % this.#upstreams.length;
      return [state.code, state.config, state.route, upstream].join();
    });
    if (answer.startsWith("HTTP/1.1 200") && possible.includes(got)) return;
    this.#fail(`got ${got}, possible ${possible.join(" or ")}: ${JSON.stringify(answer)}`);
  }

  #fail(line: string): void {
    if (this.failures.length < FAILURES_MAX) this.failures.push(line);
  }
}

/** An upstream that answers with its number, some of the time late. */
function numberedUpstream(number: number): Promise<FakeUpstream> {
  let count = 0;
  const answer = plainResponse(200, "ok", `x-cluster: ${number}\r\n`);
  return FakeUpstream.listen({
    onConnection: (connection) => {
      connection.socket.on("end", () => connection.end());
    },
    onRequest: (_, connection) => {
      count++;
      if (count % LATE_EVERY === 0) setTimeout(() => connection.write(answer), LATE_MS);
      else connection.write(answer);
      // The harness keeps what it read; a long run must not.
      connection.requests.length = 0;
    },
  });
}

function residentBytes(pid: number | undefined): number {
  const [, pages = "0"] = readFileSync(`/proc/${pid}/statm`, "latin1").split(" ");
  return Number(pages) * 4_096;
}

const VM_LOOKS_MAX = 200;

/** Old VMs end with their streams, which the proxy hears of after the clients have gone. */
async function settledVms(proxy: ProxyProcess): Promise<readonly number[]> {
  for (let look = 1; ; look++) {
    const { body } = await proxy.admin("/wasm?format=json");
    const { silos } = JSON.parse(body) as { silos: { vms: unknown[] }[] };
    const counts = silos.map(({ vms }) => vms.length);
    if (counts.every((count) => count === 1) || look === VM_LOOKS_MAX) return counts;
    await wait(20);
  }
}

/** Runs the whole load; Linux only, for the resident bytes. */
export async function runUpdateLoad(options: UpdateLoadOptions): Promise<UpdateLoadReport> {
  const upstreams = [await numberedUpstream(0), await numberedUpstream(1)];
  const load = new UpdateLoad(upstreams);
  const { concurrency, args = [], env = {} } = options;
  const proxy = await startProxy({ yaml: load.yaml(), concurrency, args, env });
  const port = proxy.port("main");
  const clients = Array.from({ length: options.connections }, () => load.client(port));
  const updateMs: number[] = [];
  const resident: number[] = [];
  await load.answered(options.answersBefore ?? 0);
  for (let number = 0; number < options.updates; number++) {
    const startMs = performance.now();
    await load.update(proxy, number);
    updateMs.push(performance.now() - startMs);
    resident.push(residentBytes(proxy.process.pid));
  }
  // Where every connection was lost, nothing more comes.
  await Promise.race([load.answered(options.answersMin ?? 0), Promise.all(clients)]);
  load.stop();
  await Promise.all(clients);
  const vms = await settledVms(proxy);
  const exitCode = await proxy.stop();
  for (const upstream of upstreams) await upstream.close();
  load.dispose();
  const { answers, failures } = load;
  return { answers, failures, updateMs, residentBytes: resident, vms, exitCode };
}
