/** Shared data and shared queues of the API, over the hostcalls. */
import { STATUS } from "../../abi/enums.ts";
import type { Data, Queues, SharedData, SharedValue } from "./api.ts";
import { HostcallError } from "./errors.ts";
import { callForeign } from "./foreign.ts";
import { bytesOf, type Host, OUT_LEN, OUT_NUMBER, OUT_PTR, utf8Of } from "./host.ts";

class Value implements SharedValue {
  readonly value: Uint8Array;
  readonly cas: number;
  constructor(value: Uint8Array, cas: number) {
    this.value = value;
    this.cas = cas;
  }
  text(): string {
    return utf8Of(this.value);
  }
}

export class ContextSharedData implements SharedData {
  readonly #host: Host;
  readonly #id: number;

  constructor(host: Host, id: number) {
    this.#host = host;
    this.#id = id;
  }

  get(key: string): SharedValue | null {
    const host = this.#host;
    const name = bytesOf(key);
    host.begin();
    const ptr = host.putBytes(name);
    host.act(this.#id);
    const size = name.byteLength;
    const status = host.calls.proxy_get_shared_data(ptr, size, OUT_PTR, OUT_LEN, OUT_NUMBER);
    host.done();
    if (status === STATUS.notFound) return null;
    if (status !== STATUS.ok) throw new HostcallError("proxy_get_shared_data", status);
    return new Value(host.resultBytes(), host.resultNumber());
  }

  set(key: string, value: Data, cas = 0): boolean {
    const host = this.#host;
    const name = bytesOf(key);
    const bytes = bytesOf(value);
    host.begin();
    const namePtr = host.putBytes(name);
    const ptr = host.putBytes(bytes);
    host.act(this.#id);
    const status = host.calls.proxy_set_shared_data(
      namePtr,
      name.byteLength,
      ptr,
      bytes.byteLength,
      cas,
    );
    host.done();
    if (status === STATUS.casMismatch) return false;
    if (status !== STATUS.ok) throw new HostcallError("proxy_set_shared_data", status);
    return true;
  }

  add(key: string, delta: number | bigint): bigint {
    const args = Buffer.alloc(8);
    args.writeBigInt64LE(BigInt(delta));
    const answer = this.#foreign("granary.shared_data_add", args, key);
    return answer === null ? 0n : Buffer.from(answer).readBigInt64LE();
  }

  delete(key: string): void {
    this.#foreign("granary.shared_data_delete", NOTHING, key);
  }

  expire(key: string, ttlMs: number): void {
    const args = Buffer.alloc(4);
    args.writeUInt32LE(Math.min(ttlMs, TTL_MS_MAX));
    this.#foreign("granary.shared_data_ttl", args, key);
  }

  #foreign(name: string, args: Uint8Array, key: string): Uint8Array | null {
    return callForeign(this.#host, this.#id, name, Buffer.concat([args, bytesOf(key)]));
  }
}
/** 49 days. */
const TTL_MS_MAX = 0xffff_ffff;
const NOTHING = new Uint8Array(0);

export class ContextQueues implements Queues {
  readonly #host: Host;
  readonly #id: number;

  constructor(host: Host, id: number) {
    this.#host = host;
    this.#id = id;
  }

  register(name: string): number {
    const host = this.#host;
    const bytes = bytesOf(name);
    host.begin();
    const ptr = host.putBytes(bytes);
    host.act(this.#id);
    const status = host.calls.proxy_register_shared_queue(ptr, bytes.byteLength, OUT_NUMBER);
    host.end("proxy_register_shared_queue", status);
    return host.resultNumber();
  }

  resolve(vmId: string, name: string): number | null {
    const host = this.#host;
    const vm = bytesOf(vmId);
    const bytes = bytesOf(name);
    host.begin();
    const vmPtr = host.putBytes(vm);
    const ptr = host.putBytes(bytes);
    host.act(this.#id);
    const status = host.calls.proxy_resolve_shared_queue(
      vmPtr,
      vm.byteLength,
      ptr,
      bytes.byteLength,
      OUT_NUMBER,
    );
    host.done();
    if (status === STATUS.notFound) return null;
    if (status !== STATUS.ok) throw new HostcallError("proxy_resolve_shared_queue", status);
    return host.resultNumber();
  }

  enqueue(queue: number, data: Data): void {
    const host = this.#host;
    const bytes = bytesOf(data);
    host.begin();
    const ptr = host.putBytes(bytes);
    host.act(this.#id);
    const status = host.calls.proxy_enqueue_shared_queue(queue, ptr, bytes.byteLength);
    host.end("proxy_enqueue_shared_queue", status);
  }

  dequeue(queue: number): Uint8Array | null {
    const host = this.#host;
    host.begin();
    host.act(this.#id);
    const status = host.calls.proxy_dequeue_shared_queue(queue, OUT_PTR, OUT_LEN);
    host.done();
    if (status === STATUS.empty) return null;
    if (status !== STATUS.ok) throw new HostcallError("proxy_dequeue_shared_queue", status);
    return host.resultBytes();
  }
}
