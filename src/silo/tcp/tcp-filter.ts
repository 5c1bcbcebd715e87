/**
 * A Wasm network filter on one connection: passes events to its context, and knows which buffer the
 * guest may touch now. Source: ABI 2.7. @hot per-chunk
 */
import type {
  BufferHost,
  HeaderHost,
  StreamHost,
  StreamPropertyHost,
  StreamRoles,
} from "../../vm/roles.ts";
import type { ConnectionContext, Plugin } from "../../vm/types.ts";
import type { BodyBuffer } from "../body-buffer.ts";
import { StreamProperties } from "../properties.ts";
import type { TcpConnection } from "./tcp-connection.ts";

export const REQUEST = 0;
export const RESPONSE = 1;
/** Client to upstream, or back. */
export type TcpHalf = typeof REQUEST | typeof RESPONSE;

/** ABI 4.5: of the two halves. */
const BUFFER_TYPES = [2, 3] as const;

export class TcpFilter implements BufferHost, StreamHost, StreamRoles {
  readonly kind = "tcp";
  readonly headers: HeaderHost = NO_HEADERS;
  readonly buffers: BufferHost = this;
  readonly stream: StreamHost = this;
  readonly properties: StreamPropertyHost;
  readonly #connection: TcpConnection;
  readonly #buffers: (BodyBuffer | null)[] = [null, null];
  context: ConnectionContext | null = null;

  constructor(connection: TcpConnection) {
    this.#connection = connection;
    this.properties = new StreamProperties(connection);
  }

  /** Shows `data` to the guest. Whether it lets it pass; if not, it may go on touching it. */
  onData(half: TcpHalf, data: BodyBuffer, endStream: boolean): boolean {
    const { context } = this;
    if (context === null) return true;
    this.#buffers[half] = data;
    const size = data.byteLength;
    const status =
      half === REQUEST
        ? context.onDownstreamData(size, endStream)
        : context.onUpstreamData(size, endStream);
    if (status === 0) this.#buffers[half] = null;
    if (half === RESPONSE && endStream) context.onUpstreamClose();
    return status === 0;
  }

  // --- BufferHost ---------------------------------------------------------------------------

  size(bufferType: number): number {
    return this.#buffer(bufferType)?.byteLength ?? -1;
  }

  // biome-ignore lint/complexity/useMaxParams: the role's shape; an object per read would cost more
  copyTo(bufferType: number, start: number, length: number, target: Uint8Array, at: number): void {
    this.#buffer(bufferType)?.copyTo(start, length, target, at);
  }

  splice(bufferType: number, start: number, length: number, data: Uint8Array): boolean {
    const buffer = this.#buffer(bufferType);
    if (buffer === null) return false;
    buffer.splice(start, length, data);
    return true;
  }

  /** Nothing of a connection is lent for: its bytes have no body around them. */
  lend(): boolean {
    return false;
  }

  #buffer(bufferType: number): BodyBuffer | null {
    if (bufferType === BUFFER_TYPES[REQUEST]) return this.#buffers[REQUEST] ?? null;
    return bufferType === BUFFER_TYPES[RESPONSE] ? (this.#buffers[RESPONSE] ?? null) : null;
  }

  // --- StreamHost: what a guest asks for, once it has returned ------------------------------

  continueRequest(): void {
    this.#buffers[REQUEST] = null;
    this.#connection.resume(REQUEST, this);
  }

  continueResponse(): void {
    this.#buffers[RESPONSE] = null;
    this.#connection.resume(RESPONSE, this);
  }

  closeStream(): void {
    this.#connection.close("");
  }

  sendLocalReply(): void {
    // A connection has no reply.
  }

  failStream(): void {
    this.#connection.close("");
  }

  clearRouteCache(): void {
    // A connection has no route.
  }

  settle(): void {
    // VMs of network filters do not suspend.
  }
}

const NO_HEADERS: HeaderHost = {
  readable: () => null,
  writable: () => null,
  changed: () => undefined,
};

/** The filter of `plugin`; null when the plugin is left out (failed open). */
export function createTcpFilter(plugin: Plugin, connection: TcpConnection): TcpFilter | null {
  const filter = new TcpFilter(connection);
  filter.context = plugin.createConnection(filter);
  return filter.context === null ? null : filter;
}
