/**
 * A filter's script as a guest: the callbacks that the VM enters, made of its handlers. Callbacks
 * that neither the filter nor its promises need are absent, as in a Wasm module.
 */
import type { CallbackName } from "../../abi/callback-table.ts";
import { BUFFER_TYPE } from "../../abi/enums.ts";
import { AssertionError } from "../../base/assert.ts";
import type { GuestFunction } from "../engine.ts";
import type { PeerType } from "./api.ts";
import { Callouts } from "./callouts.ts";
import { StreamConnectionContext } from "./connection-context.ts";
import { PluginContext, type Shared, type StreamBase, StreamHttpContext } from "./contexts.ts";
import { ContextEndedError } from "./errors.ts";
import { CONNECTION_CALLBACKS, type HandlerRow, STREAM_CALLBACKS } from "./handlers.ts";
import { readBuffer } from "./headers.ts";
import { type Host, utf8Of } from "./host.ts";
import type { LoadedFilter, Script } from "./script.ts";
import { StreamRunner } from "./stream-runner.ts";
import { type LimitedWait, WaitLimit } from "./wait-limit.ts";

type Callbacks = Partial<Record<CallbackName, GuestFunction>>;
type PluginHandler = (root: PluginContext, detail?: number) => unknown;

const NEW_CONNECTION = CONNECTION_CALLBACKS.proxy_on_new_connection;
const CLOSES = ["onDownstreamClose", "onUpstreamClose"] as const;
/** ABI 2.7, PeerType. */
const PEERS: readonly PeerType[] = ["unknown", "local", "remote"];

/** Of handlers with the result "accepted": only false refuses. */
function accepted(result: unknown): number {
  return result === false ? 0 : 1;
}

export class ScriptGuest {
  readonly #host: Host;
  readonly #script: Script;
  readonly #filter: LoadedFilter;
  readonly #shared: Shared;
  readonly #limit: WaitLimit;
  readonly #runner: StreamRunner;
  readonly #plugins = new Map<number, PluginContext>();
  readonly #streams = new Map<number, StreamBase>();

  constructor(host: Host, script: Script, filter: LoadedFilter) {
    this.#host = host;
    this.#script = script;
    this.#filter = filter;
    this.#shared = { host, callouts: new Callouts(host), metricIds: new Map() };
    const trap = (error: unknown): unknown => script.trap(error);
    this.#limit = new WaitLimit(host.gate);
    this.#runner = new StreamRunner({ host, handlers: filter, limit: this.#limit, trap });
  }

  callbacks(): Callbacks {
    return {
      ...this.#lifeCallbacks(),
      ...this.#pluginCallbacks(),
      ...this.#streamCallbacks(),
      ...this.#connectionCallbacks(),
      ...this.#calloutCallbacks(),
    };
  }

  /** Contexts come and go. */
  #lifeCallbacks(): Callbacks {
    const onDone = this.#filter["onDone"] as ((ctx: StreamBase) => unknown) | undefined;
    return {
      proxy_on_context_create: (id = 0, parent = 0) => this.#create(id, parent),
      proxy_on_done: this.#guarded((id) => {
        const plugin = this.#plugins.get(id);
        if (plugin !== undefined) return this.#shutDown(plugin);
        const ctx = this.#streams.get(id);
        if (ctx !== undefined) onDone?.(ctx);
        return 1;
      }),
      proxy_on_delete: this.#guarded((id) => {
        this.#streams.get(id)?.end();
        this.#plugins.get(id)?.waits.end();
        this.#streams.delete(id);
        this.#plugins.delete(id);
        return 0;
      }),
    };
  }

  #create(id: number, parent: number): void {
    const plugin = this.#plugins.get(parent);
    if (plugin === undefined) this.#plugins.set(id, new PluginContext(id, this.#shared));
    else this.#streams.set(id, new StreamHttpContext(id, plugin, this.#shared));
  }

  #pluginCallbacks(): Callbacks {
    const onVmStart = this.#pluginHandler("onVmStart");
    const onConfigure = this.#pluginHandler("onConfigure");
    const onTick = this.#pluginHandler("onTick");
    const onQueueReady = this.#pluginHandler("onQueueReady");
    const callbacks: Callbacks = {
      proxy_on_vm_start: this.#forPlugin((plugin) => {
        plugin.vmConfiguration = this.#read(BUFFER_TYPE.vmConfiguration);
        return accepted(onVmStart?.(plugin));
      }),
      proxy_on_configure: this.#forPlugin((plugin) => {
        plugin.configuration = this.#read(BUFFER_TYPE.pluginConfiguration);
        return accepted(this.#beside(plugin, "onConfigure", onConfigure?.(plugin)));
      }),
    };
    if (onTick !== null) {
      callbacks.proxy_on_tick = this.#forPlugin((plugin) => {
        if (plugin.ticking) return 0;
        this.#tick(plugin, onTick);
        return 0;
      });
    }
    if (onQueueReady !== null) {
      callbacks.proxy_on_queue_ready = this.#forPlugin((plugin, queue) => {
        this.#beside(plugin, "onQueueReady", onQueueReady(plugin, queue));
        return 0;
      });
    }
    return callbacks;
  }

  /** The next tick comes when this one's promise has settled, or has waited for too long. */
  #tick(plugin: PluginContext, onTick: PluginHandler): void {
    const wait: LimitedWait = {
      deadlineMs: 0,
      expire: () => {
        this.#host.gate.giveUp(plugin.id, "onTick");
        plugin.ticking = false;
      },
    };
    plugin.ticking = true;
    this.#limit.begin(wait);
    this.#beside(plugin, "onTick", onTick(plugin), () => {
      this.#limit.end(wait);
      plugin.ticking = false;
    });
  }

  #streamCallbacks(): Callbacks {
    const callbacks: Callbacks = {};
    for (const [name, row] of Object.entries(STREAM_CALLBACKS)) {
      if (this.#isWanted(row)) callbacks[name as CallbackName] = this.#streamCallback(row);
    }
    const onLog = this.#filter["onLog"] as ((ctx: StreamBase) => unknown) | undefined;
    if (onLog !== undefined) {
      callbacks.proxy_on_log = this.#guarded((id) => {
        const ctx = this.#streams.get(id);
        // An access logger's log is called on the plugin's own id.
        if (ctx !== undefined) onLog(ctx);
        else this.#logOf(id, onLog);
        return 0;
      });
    }
    return callbacks;
  }

  /** Connections, for network filters. */
  #connectionCallbacks(): Callbacks {
    const filter = this.#filter;
    const names = [...Object.values(CONNECTION_CALLBACKS).map(({ handler }) => handler), ...CLOSES];
    if (!names.some((name) => Object.hasOwn(filter, name))) return {};
    const callbacks: Callbacks = {
      proxy_on_new_connection: this.#guarded((id) => {
        const root = this.#streams.get(id)?.root;
        if (root === undefined) return 0;
        const connection = new StreamConnectionContext(id, root, this.#shared);
        this.#streams.set(id, connection);
        return this.#runner.onCallback(connection, NEW_CONNECTION, 0, 0);
      }),
      proxy_on_downstream_connection_close: this.#closeCallback("onDownstreamClose"),
      proxy_on_upstream_connection_close: this.#closeCallback("onUpstreamClose"),
    };
    for (const name of ["proxy_on_downstream_data", "proxy_on_upstream_data"] as const) {
      const row = CONNECTION_CALLBACKS[name];
      callbacks[name] = this.#guarded((id, total, endStream) => {
        const ctx = this.#streams.get(id);
        if (!(ctx instanceof StreamConnectionContext)) return 0;
        return this.#runner.onCallback(ctx, row, ctx.told(row.half, total), endStream);
      });
    }
    return callbacks;
  }

  #closeCallback(name: (typeof CLOSES)[number]): GuestFunction {
    const handler = this.#filter[name] as ((ctx: StreamBase, by: PeerType) => unknown) | undefined;
    return this.#guarded((id, peer) => {
      const ctx = this.#streams.get(id);
      if (ctx !== undefined) handler?.(ctx, PEERS[peer] ?? "unknown");
      return 0;
    });
  }

  /** A stream that has ended, read under the id of plugin `id`. */
  #logOf(id: number, onLog: (ctx: StreamBase) => unknown): void {
    const plugin = this.#plugins.get(id);
    if (plugin !== undefined) onLog(new StreamHttpContext(id, plugin, this.#shared));
  }

  /** Trailers must not let go what a body handler waits with. */
  #isWanted({ handler, half, kind }: HandlerRow): boolean {
    if (Object.hasOwn(this.#filter, handler)) return true;
    const body = half === 0 ? "onRequestBody" : "onResponseBody";
    return kind === "trailers" && Object.hasOwn(this.#filter, body);
  }

  #streamCallback(row: HandlerRow): GuestFunction {
    const runner = this.#runner;
    return this.#guarded((id, a, b) => {
      const ctx = this.#streams.get(id);
      return ctx === undefined ? 0 : runner.onCallback(ctx, row, a, b);
    });
  }

  #calloutCallbacks(): Callbacks {
    const { callouts } = this.#shared;
    return {
      proxy_on_http_call_response: this.#guarded((_id, token, headers) => {
        callouts.onHttpReply(token, headers);
        return 0;
      }),
      proxy_on_grpc_receive: this.#guarded((_id, token) => {
        callouts.onGrpcMessage(token);
        return 0;
      }),
      proxy_on_grpc_close: this.#guarded((_id, token, status) => {
        callouts.onGrpcClose(token, status);
        return 0;
      }),
    };
  }

  #pluginHandler(name: string): PluginHandler | null {
    return (this.#filter[name] as PluginHandler | undefined) ?? null;
  }

  #forPlugin(body: (plugin: PluginContext, detail: number) => number): GuestFunction {
    return this.#guarded((id, detail) => {
      const plugin = this.#plugins.get(id);
      return plugin === undefined ? 0 : body(plugin, detail);
    });
  }

  /** Hostcalls of `body` act on the context of the callback; its errors are told as traps. */
  #guarded(body: (id: number, a: number, b: number) => number): GuestFunction {
    return (id = 0, a = 0, b = 0) => {
      this.#host.enter(id);
      try {
        return body(id, a, b);
      } catch (error) {
        if (error instanceof AssertionError) throw error;
        throw this.#script.trap(error);
      } finally {
        this.#host.leave();
      }
    };
  }

  #read(buffer: number): string {
    this.#host.begin();
    const bytes = readBuffer(this.#host, buffer);
    return bytes === null ? "" : utf8Of(bytes);
  }

  /** The plugin is done when the promise of onShutdown has settled. */
  #shutDown(plugin: PluginContext): number {
    const onShutdown = this.#pluginHandler("onShutdown");
    const result = onShutdown?.(plugin);
    if (!(result instanceof Promise)) return 1;
    this.#beside(plugin, "onShutdown", result, () => plugin.done());
    return 0;
  }

  /** Follows a promise of the plugin's; gives `result` back, or nothing for a promise. */
  #beside(
    plugin: PluginContext,
    name: string,
    result: unknown,
    settled: () => void = () => undefined,
  ): unknown {
    if (!(result instanceof Promise)) {
      settled();
      return result;
    }
    result.then(settled).catch((error) => {
      if (error instanceof AssertionError) throw error;
      if (error instanceof ContextEndedError && plugin.waits.ended) return;
      this.#host.gate.fail(plugin.id, name, this.#script.trap(error));
    });
    return undefined;
  }
}
