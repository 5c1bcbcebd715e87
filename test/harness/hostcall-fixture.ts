/**
 * Hostcall bodies called as a guest would call them, without writing a guest: a started VM, one
 * root and one stream, and a scratch memory that tests write arguments to.
 */
import type { HostcallName } from "../../src/abi/hostcall-table.ts";
import type { PluginConfig } from "../../src/config/types.ts";
import { HttpStreamContext } from "../../src/vm/contexts.ts";
import { DIRECTION } from "../../src/vm/current-call.ts";
import { createHostcalls } from "../../src/vm/hostcalls/bodies.ts";
import { MemoryAccount } from "../../src/vm/memory-account.ts";
import { Probation } from "../../src/vm/probation.ts";
import { RootContext } from "../../src/vm/root-context.ts";
import { v8Engine } from "../../src/vm/v8-engine.ts";
import { Vm } from "../../src/vm/vm.ts";
import { FakeStream, FakeThread } from "./fake-roles.ts";
import { guestModule } from "./guest-source.ts";
import { pluginConfig } from "./plugin-fixture.ts";

/** Where results are reported: pointer at OUT, length at OUT + 4. */
export const OUT = 64;
export const OUT_LEN = 68;
const SCRATCH = 1024;

type Wire = (...wire: (number | bigint)[]) => number;

export class HostcallFixture {
  readonly thread = new FakeThread();
  readonly stream = new FakeStream();
  readonly config: PluginConfig;
  readonly vm: Vm;
  readonly root: RootContext;
  readonly context: HttpStreamContext;
  readonly #bodies: Readonly<Record<string, unknown>>;
  #scratch = SCRATCH;

  constructor(abi = "0_2_1", overrides: Partial<PluginConfig> = {}) {
    this.config = pluginConfig(overrides);
    this.vm = new Vm({
      engine: v8Engine,
      config: this.config.vm,
      roles: this.thread,
      allowed: null,
      isolation: this.config.isolation,
      probation: new Probation(0),
      account: new MemoryAccount(null, this.config.isolation.memoryBytesMax),
      onFailure: () => undefined,
    });
    const problem = this.vm.start(guestModule({ abi }));
    if (problem !== null) throw new Error(problem);
    this.root = new RootContext(this.vm, this.config);
    this.root.start();
    this.context = new HttpStreamContext(this.root, this.config, this.stream);
    this.context.onRequestHeaders(1, false);
    this.#bodies = createHostcalls(this.vm, null);
    this.enterStream();
  }

  /** Hostcalls now come from a request callback of the stream. */
  enterStream(direction: number = DIRECTION.request): void {
    this.vm.call.begin(this.context, "proxy_on_request_headers", direction);
  }

  /** Hostcalls now come from a callback of the root. */
  enterRoot(): void {
    this.vm.call.begin(this.root, "proxy_on_tick", DIRECTION.none);
  }

  /** Hostcalls now come from start-up. */
  enterVm(): void {
    this.vm.call.begin(null, "start-up", DIRECTION.none);
  }

  /** Hostcalls now come from proxy_on_log. */
  enterLog(): void {
    this.vm.call.end();
    this.context.onLog();
    this.vm.call.begin(this.context, "proxy_on_log", DIRECTION.none);
  }

  /** The callback returns: deferred actions run. */
  leave(): void {
    this.vm.call.end();
    this.vm.actions.run();
  }

  /** Calls a hostcall; returns its status. */
  call(name: HostcallName, ...wire: (number | bigint)[]): number {
    return (this.#bodies[name] as Wire)(...wire);
  }

  /** Writes latin1 text to guest memory and gives (pointer, length). */
  text(value: string): [number, number] {
    const at = this.#scratch;
    this.vm.memory.writeLatin1(at, value);
    this.#scratch += value.length;
    return [at, value.length];
  }

  /** Writes bytes to guest memory and gives (pointer, length). */
  bytes(value: Uint8Array): [number, number] {
    return this.text(Buffer.from(value).toString("latin1"));
  }

  /** What a hostcall with `outBytes` at OUT gave back, as latin1. */
  result(): string {
    const { memory } = this.vm;
    return memory.readLatin1(memory.readU32(OUT), memory.readU32(OUT_LEN)) ?? "out of range";
  }

  /** The u32 at OUT. */
  word(): number {
    return this.vm.memory.readU32(OUT);
  }

  /** The u64 at OUT. */
  long(): bigint {
    const bytes = this.vm.memory.readBytes(OUT, 8) ?? new Uint8Array(8);
    return new DataView(bytes.buffer).getBigUint64(0, true);
  }
}

/** A range that lies outside every guest's memory. */
export const BAD_RANGE: readonly [number, number] = [-1, -1];
