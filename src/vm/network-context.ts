/** Contexts of connections, for network filters. Source: ABI 2.7, 5.4. @hot per-chunk */
import type { HttpStreamContext } from "./contexts.ts";
import type { StreamRoles } from "./roles.ts";
import { type ConnectionContext, TRAILERS_STATUS } from "./types.ts";

/** Nobody tells who closed the upstream's connection (as in Envoy). */
const PEER_UNKNOWN = 0;

export class NetworkContext implements ConnectionContext {
  readonly #context: HttpStreamContext;

  constructor(context: HttpStreamContext) {
    this.#context = context;
  }

  onNewConnection(): number {
    const { entries } = this.#context.root.vm;
    return this.#context.onNetwork(entries.proxy_on_new_connection, 0, 0);
  }

  onDownstreamData(size: number, endStream: boolean): number {
    const { entries } = this.#context.root.vm;
    return this.#context.onNetwork(entries.proxy_on_downstream_data, size, endStream ? 1 : 0);
  }

  onUpstreamData(size: number, endStream: boolean): number {
    const { entries } = this.#context.root.vm;
    return this.#context.onNetwork(entries.proxy_on_upstream_data, size, endStream ? 1 : 0);
  }

  onDownstreamClose(peer: number): void {
    const entry = this.#context.root.vm.entries.proxy_on_downstream_connection_close;
    this.#context.onNetworkClose(entry, peer);
  }

  onUpstreamClose(): void {
    const entry = this.#context.root.vm.entries.proxy_on_upstream_connection_close;
    this.#context.onNetworkClose(entry, PEER_UNKNOWN);
  }

  onDestroy(): void {
    this.#context.onNetworkEnd();
  }
}

/** Stands in for the context of a connection whose plugin cannot run and fails closed. */
export class FailedConnection implements ConnectionContext {
  readonly #roles: StreamRoles;

  constructor(roles: StreamRoles) {
    this.#roles = roles;
  }

  onNewConnection(): number {
    this.#roles.stream.failStream();
    return TRAILERS_STATUS.stop;
  }

  onDownstreamData(): number {
    return TRAILERS_STATUS.stop;
  }

  onUpstreamData(): number {
    return TRAILERS_STATUS.stop;
  }

  onDownstreamClose(): void {
    // There is no guest that could hear of it.
  }

  onUpstreamClose(): void {
    // There is no guest that could hear of it.
  }

  onDestroy(): void {
    // There is no guest context.
  }
}
