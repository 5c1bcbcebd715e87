/** The context that network filters get: one proxied TCP connection. */
import { BUFFER_TYPE, STREAM_TYPE } from "../../abi/enums.ts";
import type { ConnectionContext, Data } from "./api.ts";
import { type PluginContext, type Shared, StreamBase } from "./contexts.ts";
import { BufferBody } from "./headers.ts";

const BUFFERS = [BUFFER_TYPE.downstreamData, BUFFER_TYPE.upstreamData] as const;
const STREAMS = [STREAM_TYPE.downstream, STREAM_TYPE.upstream] as const;

/** Bytes of one direction: callbacks tell how many are kept, not how many have come. */
class KeptBytes extends BufferBody {
  #total = 0;

  /** A callback has told of `total` bytes; how many of them are new. */
  told(total: number): number {
    const more = Math.max(0, total - this.#total);
    this.#total = total;
    return more;
  }

  override splice(start: number, length: number, data: Data): void {
    super.splice(start, length, data);
    this.#total = this.kept();
  }
}

export class StreamConnectionContext extends StreamBase implements ConnectionContext {
  readonly kind = "tcp";
  readonly downstream: KeptBytes;
  readonly upstream: KeptBytes;

  constructor(id: number, root: PluginContext, shared: Shared) {
    super(id, root, shared);
    this.downstream = new KeptBytes(shared.host, id, BUFFERS[0]);
    this.upstream = new KeptBytes(shared.host, id, BUFFERS[1]);
  }

  continueDownstream(): void {
    this.resume(0);
  }

  continueUpstream(): void {
    this.resume(1);
  }

  close(): void {
    const { host } = this.shared;
    host.act(this.id);
    host.calls.proxy_close_stream(STREAM_TYPE.downstream);
    host.done();
  }

  /** Bytes that a handler is told of: all, or those that came while another one waits. */
  told(half: 0 | 1, total: number): number {
    const more = this.body(half).told(total);
    return this.halves[half] === null ? total : more;
  }

  body(half: 0 | 1): KeptBytes {
    return half === 0 ? this.downstream : this.upstream;
  }

  protected streamType(half: 0 | 1): number {
    return STREAMS[half];
  }
}
