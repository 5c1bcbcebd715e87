/**
 * The metrics that the VMs of one slot have defined: they outlive a VM that fails, and end with the
 * slot. Stands between the VMs and the thread's metrics.
 * @hot per-hostcall
 */
import type { MetricHost } from "./roles.ts";

export class OwnedMetrics implements MetricHost {
  readonly #host: MetricHost;
  readonly #handles = new Set<number>();

  constructor(host: MetricHost) {
    this.#host = host;
  }

  define(kind: number, name: string): number {
    const handle = this.#host.define(kind, name);
    if (handle >= 0 && !this.#handles.has(handle)) this.retain(handle);
    return handle;
  }

  retain(handle: number): void {
    this.#handles.add(handle);
    this.#host.retain(handle);
  }

  release(handle: number): void {
    if (this.#handles.delete(handle)) this.#host.release(handle);
  }

  /** The slot is gone. */
  releaseAll(): void {
    for (const handle of this.#handles) this.#host.release(handle);
    this.#handles.clear();
  }

  add(handle: number, offset: bigint): void {
    this.#host.add(handle, offset);
  }

  set(handle: number, value: bigint): void {
    this.#host.set(handle, value);
  }

  observe(handle: number, value: bigint): void {
    this.#host.observe(handle, value);
  }

  read(handle: number): bigint {
    return this.#host.read(handle);
  }

  refused(): void {
    this.#host.refused();
  }
}
