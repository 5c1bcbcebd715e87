/** The silo's side of callouts: the role that its VMs call, over the silo's own clusters. */
import type {
  CalloutHost,
  GrpcEvents,
  GrpcRequest,
  HttpCallEvents,
  HttpCallRequest,
  StartedCallout,
  StartedGrpc,
} from "../../vm/roles.ts";
import type { CalloutServices } from "./callout-services.ts";
import { GrpcCallout } from "./grpc-callout.ts";
import { HttpCallout } from "./http-callout.ts";

export class SiloCallouts implements CalloutHost {
  readonly #services: CalloutServices;

  constructor(services: CalloutServices) {
    this.#services = services;
  }

  hasCluster(name: string): boolean {
    return this.#services.clusters.get(name) !== null;
  }

  httpCall(request: HttpCallRequest, events: HttpCallEvents): StartedCallout | null {
    const cluster = this.#services.clusters.get(request.cluster);
    if (cluster === null) return null;
    const callout = new HttpCallout(this.#services, cluster, request, events);
    return callout.start(request) ? callout : null;
  }

  grpcCall(request: GrpcRequest, events: GrpcEvents): StartedGrpc | null {
    const cluster = this.#services.clusters.get(request.cluster);
    if (cluster === null) return null;
    const callout = new GrpcCallout(this.#services, cluster, request, events);
    return callout.start(request.timeoutMs) ? callout : null;
  }

  refused(): void {
    this.#services.stats.refused.inc();
  }
}
