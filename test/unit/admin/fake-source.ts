/** An AdminSource over fixed data that remembers what was asked of it. */
import type {
  AdminSource,
  DrainOptions,
  ReloadReport,
  ServerState,
  SiloVms,
  XdsReport,
} from "../../../src/admin/types.ts";
import { LOG_COMPONENTS, type LogComponent, type LogLevel } from "../../../src/base/log.ts";
import type { ClusterConfig, GranaryConfig } from "../../../src/config/types.ts";
import { SiloRecorder } from "../../../src/metrics/recorder.ts";
import { MetricSnapshots } from "../../../src/metrics/snapshot.ts";
import { DEFAULT_TAG_RULES, type TagRules } from "../../../src/metrics/tags.ts";
import { createMetricRegion } from "../../../src/shm/metric-layout.ts";
import { MetricWriter } from "../../../src/shm/metric-writer.ts";
import type { ClusterReport } from "../../../src/silo/messages.ts";

export const BOOTSTRAP = {
  node: { id: "n1", cluster: "c1" },
  static_resources: {
    listeners: [
      {
        name: "web",
        filter_chains: [
          {
            transport_socket: {
              typed_config: {
                common_tls_context: {
                  tls_certificates: [
                    {
                      certificate_chain: { inline_string: "public" },
                      private_key: { inline_string: "SECRET", inline_bytes: "U0VDUkVU" },
                      password: { filename: "SECRET" },
                    },
                  ],
                },
              },
            },
            filters: [{ typed_config: { route_config: { name: "local", virtual_hosts: [] } } }],
          },
        ],
      },
    ],
    clusters: [
      { name: "up", type: "STATIC", connect_timeout: "1s" },
      { name: "other", type: "STATIC" },
    ],
  },
};

export const CLUSTER: ClusterConfig = {
  name: "up",
  altStatName: "",
  type: "static",
  lbPolicy: "roundRobin",
  choiceCount: 2,
  connectTimeoutMs: 1000,
  endpoints: [],
  dnsRefreshMs: 5000,
  dnsFamily: "auto",
  respectDnsTtl: false,
  maxConnections: 1024,
  maxPendingRequests: 1024,
  maxRequests: 1024,
  maxRetries: 3,
  maxRequestsPerConnection: 0,
  perConnectionBufferBytes: 1_048_576,
  idleTimeoutMs: 3_600_000,
  maxHeadersBytes: 61_440,
  maxHeadersCount: 100,
  tls: null,
  http2: null,
  metadata: null,
};

export const CONFIG: GranaryConfig = {
  node: {
    id: "n1",
    cluster: "c1",
    property: { kind: "message", encoded: new Uint8Array(), fields: {} },
  },
  admin: null,
  listeners: [],
  clusters: [CLUSTER, { ...CLUSTER, name: "other", altStatName: "seen_as" }],
  services: [],
  statSinks: [],
  statsFlushMs: 5_000,
  statTags: { useDefaults: true, tags: [] },
  modules: [],
  bootstrapJson: JSON.stringify(BOOTSTRAP),
};

const endpoint = (port: number, healthy: boolean, rqTotal: number) => ({
  address: `127.0.0.1:${port}`,
  hostname: "",
  healthy,
  weight: 1,
  stats: { cx_active: 1, rq_total: rqTotal },
});

export const REPORTS: readonly (readonly ClusterReport[])[] = [
  [{ name: "up", endpoints: [endpoint(1, true, 5), endpoint(2, false, 0)] }],
  [{ name: "up", endpoints: [endpoint(1, false, 6), endpoint(2, false, 1)] }],
];

export class FakeSource implements AdminSource {
  readonly version = "granary/0.1.0";
  readonly configLoadedWallMs = () => 1_700_000_000_123;
  failure: { readonly details: string; readonly wallMs: number } | null = null;
  reports: readonly XdsReport[] = [];
  readonly xds = () => this.reports;
  readonly updateFailure = () => this.failure;
  report: ReloadReport = { kind: "unchanged", version: 1 };
  readonly calls: string[] = [];
  readonly root: SiloRecorder;
  serverState: ServerState = "LIVE";
  running: GranaryConfig = CONFIG;
  readonly #levels = new Map<LogComponent, LogLevel>();
  readonly #snapshots: MetricSnapshots;

  constructor() {
    const region = createMetricRegion();
    this.root = new SiloRecorder(new MetricWriter(region));
    this.#snapshots = new MetricSnapshots([region]);
  }

  vms: readonly SiloVms[] = [];
  async wasm(): Promise<readonly SiloVms[]> {
    return this.vms;
  }

  state(): ServerState {
    return this.serverState;
  }
  uptimeMs(): number {
    return 12_999;
  }
  commandLineOptions(): Readonly<Record<string, string | number>> {
    return { concurrency: 2, config_path: "envoy.yaml" };
  }
  config(): GranaryConfig {
    return this.running;
  }
  listeners() {
    return [
      { name: "web", address: { host: "127.0.0.1", port: 8080 } },
      { name: "six", address: { host: "::1", port: 8081 } },
    ];
  }
  snapshot() {
    return this.#snapshots.take();
  }
  tagRules(): TagRules {
    return DEFAULT_TAG_RULES;
  }

  helpTexts(): ReadonlyMap<string, string> {
    return new Map();
  }
  clusters() {
    return Promise.resolve(REPORTS);
  }
  memory() {
    return Promise.resolve({ heapUsed: 10, heapTotal: 30, external: 5, resident: 100 });
  }
  logLevels() {
    return LOG_COMPONENTS.map((name) => [name, this.#levels.get(name) ?? "info"] as const);
  }
  rollInterval(): void {
    this.#snapshots.rollInterval();
  }

  readonly control = {
    setLogLevel: (level: LogLevel) => {
      for (const name of LOG_COMPONENTS) this.#levels.set(name, level);
    },
    setComponentLogLevel: (component: LogComponent, level: LogLevel) => {
      this.#levels.set(component, level);
    },
    resetCounters: () => {
      this.calls.push("resetCounters");
      this.#snapshots.resetCounters();
    },
    reopenLogs: () => {
      this.calls.push("reopenLogs");
    },
    setHealthcheck: (outcome: "fail" | "ok") => {
      this.calls.push(`healthcheck ${outcome}`);
    },
    drainListeners: (options: DrainOptions) => {
      this.calls.push(`drain ${JSON.stringify(options)}`);
    },
    reload: async () => {
      this.calls.push("reload");
      return this.report;
    },
    quit: () => {
      this.calls.push("quit");
    },
  };
}
