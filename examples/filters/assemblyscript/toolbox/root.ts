// What the streams of one plugin share: configuration, metrics, and who waits for the next tick.
import {
  BufferTypeValues,
  Counter,
  Gauge,
  Histogram,
  RootContext,
  WasmResultValues,
  get_buffer_bytes,
  proxy_set_effective_context,
  set_tick_period_milliseconds,
} from "@gcoredev/proxy-wasm-sdk-as/assembly";
import { Wake, wake } from "./wake";

const TICK_PERIOD_MS: u32 = 100;

class Waiting {
  constructor(
    public context_id: u32,
    public wake: Wake,
  ) {}
}

export class ToolboxRoot extends RootContext {
  vmConfiguration: string = "";
  requests: Counter = new Counter("toolbox_requests");
  counter: Counter = new Counter("toolbox_counter");
  gauge: Gauge = new Gauge("toolbox_gauge");
  histogram: Histogram = new Histogram("toolbox_histogram");
  ticks: Gauge = new Gauge("toolbox_ticks");
  waiting: Waiting[] = [];

  onStart(size: usize): bool {
    const bytes = get_buffer_bytes(BufferTypeValues.VmConfiguration, 0, <u32>size);
    this.vmConfiguration = String.UTF8.decode(bytes);
    return this.vmConfiguration != "reject";
  }

  onConfigure(size: u32): bool {
    super.onConfigure(size);
    if (this.getConfiguration() == "panic") throw new Error("toolbox: trap in on_configure");
    set_tick_period_milliseconds(TICK_PERIOD_MS);
    return this.getConfiguration() != "reject";
  }

  wait(context_id: u32, reason: Wake): void {
    this.waiting.push(new Waiting(context_id, reason));
  }

  // A stream that ended while it was paused must not be touched by the next tick.
  forget(context_id: u32): void {
    const kept: Waiting[] = [];
    for (let i = 0; i < this.waiting.length; i++) {
      if (this.waiting[i].context_id != context_id) kept.push(this.waiting[i]);
    }
    this.waiting = kept;
  }

  // The tick runs on the root context, so each waiting stream becomes the effective context first.
  onTick(): void {
    this.ticks.increment(1);
    const due = this.waiting;
    this.waiting = [];
    for (let i = 0; i < due.length; i++) {
      if (proxy_set_effective_context(due[i].context_id) == WasmResultValues.Ok) {
        wake(due[i].wake);
      }
    }
  }
}
