/**
 * Guests that mean harm. A Wasm guest makes random hostcalls, with random and hostile arguments, in
 * every phase, over an allocator that misbehaves, for fixed seeds and steps: every status is one
 * that the hostcall declares, streams are what a model says, nothing is left behind, and the plugin
 * beside it on the same thread notices nothing.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CALLBACK_NAMES } from "../../src/abi/callback-table.ts";
import { STATUS } from "../../src/abi/enums.ts";
import { HOSTCALL_NAMES, HOSTCALLS, type HostcallName } from "../../src/abi/hostcall-table.ts";
import type { HostcallSpec, ParamKind } from "../../src/abi/hostcall-types.ts";
import type { HttpStreamContext } from "../../src/vm/contexts.ts";
import { FakeStream, FakeThread } from "../harness/fake-roles.ts";
import { pluginConfig } from "../harness/plugin-fixture.ts";
import { prng } from "../harness/prng.ts";
import { Guest, OUTSIDE, OUTSIDE_PTR, type Wire } from "../hostcalls/guest.ts";
import { ModelStream } from "./hostile-model.ts";

const SEEDS = 24;
const STEPS = 220;
const CALLS_MAX = 6;
const HEAP_AT = 65_536;
const HEAP_BYTES = 131_072;

/** Texts that guests pass: names, values, paths, blocks. */
const TEXTS = [
  "",
  "x-first",
  "X-New",
  ":path",
  "host",
  "content-length",
  "bad name",
  "a\r\nb",
  "value",
  "mine",
  "yours",
  "request\0path",
  "plugin_name",
  "metric",
  "uncompress",
  "expr_create",
  "declare_property",
  "clear_route_cache",
  "\x01\0\0\0\x01\0\0\0\x01\0\0\0a\0b\0",
  "\xff\xff\xff\xff\xff\xff\xff\xff",
  "z".repeat(3_000),
] as const;

const NUMBERS = [0, 1, 2, 3, 4, 5, 7, 8, 9, 17, 200, 503, 65_536, 0x7fffffff, -1, -2, -0x80000000];

type Slice = readonly [ptr: number, len: number];
interface Live {
  readonly model: ModelStream;
  readonly context: HttpStreamContext;
  isOpen: boolean;
}

class Attack {
  readonly #random: () => number;
  readonly thread = new FakeThread();
  readonly bystander: Guest;
  readonly seen: string[] = [];
  calls = 0;
  traps = 0;
  #guest: Guest;
  #slices: Slice[] = [];
  #outs: number[] = [];
  #live: Live[] = [];
  /** Stream of the running callback, and the one hostcalls act on. */
  #current: Live | null = null;
  #target: Live | null = null;
  #mode = "good";

  constructor(seed: number) {
    this.#random = prng(seed);
    const config = pluginConfig({ name: "bystander", pluginKey: "bystander" });
    this.bystander = new Guest({ thread: this.thread, config });
    this.bystander.on("proxy_on_request_headers", (guest) => {
      const path = guest.fetch("proxy_get_header_map_value", 0, ...guest.put(":path")).text;
      this.seen.push(String(path));
      return 0;
    });
    this.bystander.start();
    this.#guest = this.#start();
  }

  run(steps: number): void {
    for (let step = 0; step < steps; step++) {
      if (!this.#guest.vm.running) this.#bury();
      this.#event();
      if (step % 20 === 0) this.#lookBeside();
    }
    this.#bury();
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random() * from.length)] as T;
  }

  #chance(of: number): boolean {
    return this.#random() < of;
  }

  #start(): Guest {
    const guest = new Guest({ thread: this.thread });
    for (const name of CALLBACK_NAMES) guest.on(name, (_, [id]) => this.#callback(name, id ?? 0));
    guest.allocate = (size) => this.#allocate(size);
    this.#mode = "good";
    this.#outs = [];
    this.#slices = [];
    this.#guest = guest;
    assert.equal(guest.startVm(), null);
    this.#slices = TEXTS.map((text) => guest.put(text));
    this.#outs = Array.from({ length: 6 }, () => guest.out());
    assert.equal(guest.root.start(), null);
    return guest;
  }

  /** Ends every stream of the VM and the VM; nothing of it may be left. */
  #bury(): void {
    const guest = this.#guest;
    for (const live of this.#live) this.#end(live);
    this.#live = [];
    this.#mode = "good";
    if (guest.vm.running) guest.root.finish(() => undefined);
    if (guest.vm.running) guest.root.delete();
    else this.traps++;
    guest.vm.close();
    assert.ok(guest.vm.contexts.count <= 1, `${guest.vm.contexts.count} contexts are left`);
    assert.deepEqual(guest.vm.contexts.streams(), []);
    guest.vm.callouts.cancelAll(null);
    assert.equal(guest.vm.callouts.count, 0);
    this.#start();
  }

  #event(): void {
    const open = this.#live.filter(({ isOpen }) => isOpen);
    const live = open.length === 0 ? null : this.#pick(open);
    const dice = this.#random();
    if (live === null || dice < 0.15) this.#open();
    else if (dice < 0.3) live.context.onRequestBody(live.model.body.length, this.#chance(0.3));
    else if (dice < 0.4) live.context.onResponseHeaders(1, false);
    else if (dice < 0.5) live.context.onResponseBody(0, true);
    else if (dice < 0.6) live.context.onRequestTrailers(0);
    else if (dice < 0.75) this.#end(live);
    else if (dice < 0.9) this.#tick();
    else this.#answer();
    for (const each of this.#live) assert.deepEqual(each.model.differences(), []);
  }

  #open(): void {
    const model = new ModelStream();
    const live = { model, context: this.#guest.open(model.real), isOpen: true };
    this.#live.push(live);
    live.context.onRequestHeaders(model.headers.length, false);
  }

  #end(live: Live): void {
    if (!live.isOpen) return;
    live.context.onLog();
    live.context.onDestroy();
    live.isOpen = false;
    this.#live = this.#live.filter((each) => each !== live);
  }

  #tick(): void {
    this.#guest.root.setTick(1);
    this.thread.timers.advance(1);
    this.#guest.root.setTick(0);
  }

  #answer(): void {
    this.thread.lookUps.pop()?.answer({ addresses: ["1.2.3.4"], ttlS: 1 });
    this.#guest.root.statsUpdate(Buffer.from("stats"));
  }

  /** The other plugin: another VM on the same thread, a stream of its own. */
  #lookBeside(): void {
    const stream = new FakeStream();
    const context = this.bystander.open(stream);
    context.onRequestHeaders(1, true);
    context.onDestroy();
    assert.equal(this.seen.pop(), "/");
    assert.deepEqual(stream.calls, []);
    assert.equal(this.bystander.vm.contexts.count, 1);
    assert.equal(this.bystander.vm.failure, null);
  }

  #allocate(size: number): number {
    const place = HEAP_AT + Math.floor(this.#random() * (HEAP_BYTES - size - 8));
    switch (this.#mode) {
      case "none":
        return 0;
      case "garbage":
        return this.#pick(NUMBERS);
      case "trap":
        throw new Error("the allocator traps");
      case "grow":
        this.#guest.grow(1);
        return place;
      case "nested":
        this.#guest.call("proxy_log", 2, ...this.#slice());
        this.#guest.call("proxy_get_property", ...this.#slice(), this.#out(), this.#out());
        return place;
      default:
        return size > HEAP_BYTES - 8 ? 0 : place;
    }
  }

  #callback(name: string, id: number): number {
    const found = this.#live.find(({ context }) => context.id === id) ?? null;
    this.#current = found;
    this.#target = found;
    const modes = ["good", "good", "good", "none", "garbage", "trap", "grow", "nested"];
    const count = Math.floor(this.#random() * CALLS_MAX);
    const isStarting = this.#outs.length === 0 || name === "proxy_on_configure";
    for (let i = 0; i < count && !isStarting; i++) {
      this.#mode = this.#chance(0.02)
        ? this.#pick(modes)
        : this.#mode === "trap"
          ? "good"
          : this.#mode;
      this.#call(this.#pick(HOSTCALL_NAMES));
    }
    if (!isStarting && this.#chance(0.004)) throw new Error("the guest traps");
    if (name === "proxy_on_vm_start" || name === "proxy_on_configure") return 1;
    return this.#pick([0, 0, 0, 1, 2, 3, 4, 5, -1]);
  }

  #slice(): Slice {
    if (this.#chance(0.85)) return this.#pick(this.#slices);
    return this.#pick<Slice>([
      OUTSIDE,
      [0, 0],
      [-1, 0],
      [-1, 4],
      [0, -1],
      [16, 0x7fffffff],
      [0, 8],
    ]);
  }

  #out(): number {
    return this.#chance(0.9) ? this.#pick(this.#outs) : this.#pick([0, OUTSIDE_PTR, -1, -4]);
  }

  #wire(kind: ParamKind): readonly Wire[] {
    switch (kind) {
      case "bytes":
      case "pairs":
        return this.#slice();
      case "outBytes":
        return [this.#out(), this.#out()];
      case "outU32":
      case "outU64":
        return [this.#out()];
      case "i64":
      case "u64":
        return [this.#pick([0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n)])];
      default:
        return [this.#chance(0.7) ? Math.floor(this.#random() * 5) : this.#pick(NUMBERS)];
    }
  }

  #call(name: HostcallName): void {
    const spec: HostcallSpec = HOSTCALLS[name];
    const wire = spec.params.flatMap(([, kind]) => this.#wire(kind));
    const expect = this.#expected(name, wire);
    const status = this.#guest.call(name, ...wire);
    this.calls++;
    const declared = spec.statuses.map((it): number => STATUS[it]);
    assert.ok(
      declared.includes(status) || status === STATUS.unimplemented,
      `${name}(${wire.join(", ")}) answers ${status}`,
    );
    if (status === STATUS.ok) expect();
  }

  #text(ptr: Wire | undefined, len: Wire | undefined): string | null {
    return this.#guest.vm.memory.readLatin1(Number(ptr), Number(len));
  }

  /** Reads the arguments before the call; what it returns updates the model when the call was OK. */
  #expected(name: HostcallName, wire: readonly Wire[]): () => void {
    const nothing = (): void => undefined;
    const model = this.#target?.model;
    const [a, b, c, d, e] = wire;
    switch (name) {
      case "proxy_set_effective_context": {
        const id = Number(a) >>> 0;
        const other = this.#live.find(({ context }) => context.id === id) ?? null;
        return () => {
          this.#target = id === 0 ? this.#current : other;
        };
      }
      case "proxy_set_property": {
        const path = this.#text(a, b)?.replace(/(?<=.)\0$/s, "") ?? "";
        const value = Buffer.from(this.#text(c, d) ?? "", "latin1");
        return () => model?.properties.set(path, value);
      }
      case "proxy_set_buffer_bytes": {
        const data = Buffer.from(this.#text(d, e) ?? "", "latin1");
        if (Number(a) !== 0) return nothing;
        return () => model?.setBody(Number(b) >>> 0, Number(c) >>> 0, data);
      }
      case "proxy_add_header_map_value":
      case "proxy_replace_header_map_value": {
        const [key, value] = [this.#text(b, c) ?? "", this.#text(d, e) ?? ""];
        const how = name === "proxy_add_header_map_value" ? "add" : "replace";
        return Number(a) === 0 ? () => model?.putHeader(key, value, how) : nothing;
      }
      case "proxy_remove_header_map_value": {
        const key = this.#text(b, c) ?? "";
        return Number(a) === 0 ? () => model?.removeHeader(key) : nothing;
      }
      case "proxy_set_header_map_pairs": {
        const block = this.#text(b, c) ?? "";
        if (Number(a) !== 0 || model === undefined) return nothing;
        return () => applyPairs(model, block);
      }
      default:
        return nothing;
    }
  }
}

/** The only blocks among TEXTS: no pairs, one pair, and malformed ones, which change nothing. */
function applyPairs(model: ModelStream, block: string): void {
  if (block === "" || block.startsWith("\0\0\0\0")) model.headers = [];
  if (block.startsWith("\x01\0\0\0\x01")) model.headers = [["a", "b"]];
}

describe("a hostile guest", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    it(`changes nothing but what it may, seed ${seed}`, () => {
      const attack = new Attack(seed);
      attack.run(STEPS);
      assert.ok(attack.calls > STEPS / 2, `${attack.calls} calls`);
    });
  }

  it("traps often enough for the seeds to mean something", () => {
    const traps = Array.from({ length: 6 }, (_, seed) => {
      const attack = new Attack(seed + 1);
      attack.run(STEPS);
      return attack.traps;
    });
    assert.ok(traps.filter((count) => count > 0).length >= 4, traps.join());
  });
});
