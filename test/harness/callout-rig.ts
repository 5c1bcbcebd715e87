/** The silo's callouts over one fake cluster, whose upstream the test plays. */
import type { HeaderMap } from "../../src/http/header-map.ts";
import { calloutStats } from "../../src/metrics/catalogue.ts";
import type { BodyChunk } from "../../src/shm/body-chunk.ts";
import { SiloCallouts } from "../../src/silo/callouts/silo-callouts.ts";
import { TimerWheel } from "../../src/silo/timer-wheel.ts";
import { ClusterStats } from "../../src/upstream/stats.ts";
import type { Cluster, ClusterSet, UpstreamEvents } from "../../src/upstream/types.ts";
import { FakeMetrics } from "./fake-metrics.ts";
import { ManualClock } from "./manual-clock.ts";

export class CalloutRig {
  readonly clock = new ManualClock();
  readonly metrics = new FakeMetrics();
  readonly wheel = new TimerWheel(this.clock);
  /** One line for each thing that was sent to the upstream. */
  readonly sent: string[] = [];
  upstream: UpstreamEvents | null = null;
  readonly callouts: SiloCallouts;

  constructor() {
    const cluster: unknown = {
      stats: new ClusterStats(this.metrics.scope("cluster.c")),
      request: (events: UpstreamEvents) => {
        this.upstream = events;
        return {
          sendHeaders: (headers: HeaderMap, end: boolean) => {
            this.sent.push(`headers ${headers.get(":path")} ${end}`);
          },
          sendData: (chunk: BodyChunk, end: boolean) => {
            this.sent.push(`data ${chunk.byteLength} ${end}`);
          },
          sendTrailers: () => this.sent.push("trailers"),
          reset: (cause?: string) => this.sent.push(`reset ${cause ?? ""}`),
        };
      },
    };
    const clusters = { get: () => cluster as Cluster } as unknown as ClusterSet;
    const { clock, wheel } = this;
    const stats = calloutStats(this.metrics);
    this.callouts = new SiloCallouts({ clock, wheel, clusters, stats });
  }

  active(): number {
    return this.metrics.valueOf("granary.callouts.active");
  }
}
