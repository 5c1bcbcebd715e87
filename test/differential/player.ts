/** Plays a case's script against a running proxy and records what everybody saw. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CLOSED_PORT } from "../harness/config.ts";
import type { CaseGroup, DifferentialCase, ScriptStep } from "./case.ts";
import { Changes, Endpoint, openSocket, type Peer } from "./endpoint.ts";
import { GuestLogs } from "./guest-logs.ts";
import { H2Client } from "./h2-endpoint.ts";
import type { Message } from "./messages.ts";
import { normalise } from "./normalise.ts";
import { RunningProxy, type Target, workDirectory } from "./process.ts";
import { groupConfig, PROBE, writeGuests } from "./proxy-config.ts";
import { Upstream } from "./upstream.ts";

/** What one message looked like: `body` and `trailers` when there are any, `cut` when it stopped. */
interface Seen {
  readonly head: readonly string[];
  readonly body?: string;
  readonly trailers?: readonly string[];
  readonly cut?: true;
  /** The code of RST_STREAM. */
  readonly reset?: number;
}

export interface Recording {
  readonly client: readonly Seen[];
  /** Whether the proxy closed the client's connection. */
  readonly end: "open" | "closed";
  readonly upstream: readonly Seen[];
  readonly upstreamEnd?: "open" | "closed";
  readonly log: readonly string[];
  /** Where the script stopped, when something that it waits for did not come. */
  readonly stopped?: string;
}

/** How long a step may take; a step that takes it is a difference, not a matter of speed. */
const STEP_LIMIT_MS = 4_000;
const BODY_SHOWN = 200;
const CRASHED = "the proxy crashed";

function hashOf(text: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return (hash >>> 0).toString(16);
}

const shortBody = (body: string): string =>
  body.length <= BODY_SHOWN ? body : `(${body.length} bytes, ${hashOf(body)})`;

function seen(message: Message): Seen {
  return {
    head: message.head,
    ...(message.body === "" ? {} : { body: shortBody(message.body) }),
    ...(message.trailers.length === 0 ? {} : { trailers: message.trailers }),
    ...(message.isComplete ? {} : { cut: true as const }),
    ...(message.reset === undefined ? {} : { reset: message.reset }),
  };
}

class Play {
  readonly #player: GroupPlayer;
  readonly #testCase: DifferentialCase;
  #client: Peer | null = null;
  #responses = 0;
  #heads = 0;
  #requests = 0;

  constructor(player: GroupPlayer, testCase: DifferentialCase) {
    this.#player = player;
    this.#testCase = testCase;
  }

  async run(): Promise<Recording> {
    const { upstream } = this.#player;
    upstream.reset();
    let stopped: string | null = null;
    for (const [index, step] of this.#testCase.script.entries()) {
      if (await this.#step(step)) continue;
      stopped = `step ${index + 1}: ${step.do}`;
      break;
    }
    if (this.#testCase.script.at(-1)?.do !== "quiet") await this.#player.settle();
    const client = this.#client;
    const result = {
      client: client?.messages.map(seen) ?? [],
      end: client?.isClosed ? ("closed" as const) : ("open" as const),
      upstream: upstream.requests.map(seen),
      ...(upstream.newest === null || this.#testCase.watchesUpstream !== true
        ? {}
        : { upstreamEnd: upstream.newest.isClosed ? ("closed" as const) : ("open" as const) }),
      ...(stopped === null ? {} : { stopped }),
    };
    client?.destroy();
    await this.#player.settle();
    upstream.reset();
    await this.#player.settle();
    const { name, filters } = this.#testCase;
    return normalise({ ...result, log: this.#player.logs.linesOf(name, filters.length) });
  }

  async #step(step: ScriptStep): Promise<boolean> {
    if (this.#client === null) {
      const { proxy, changes } = this.#player;
      const socket = await openSocket(proxy.port(this.#testCase.name));
      this.#client =
        step.do === "sendPart" ? new H2Client(socket, changes) : new Endpoint(socket, changes, []);
    }
    const client = this.#client;
    switch (step.do) {
      case "send":
        // A message's first bytes are its request line.
        if (/^[A-Z]+ \S+ HTTP\//.test(step.text)) {
          client.methods?.push(step.text.split(" ")[0] ?? "");
        }
        client.send(step.text);
        return true;
      case "sendPart":
        client.sendPart(step.part);
        return true;
      case "streamOver":
        return this.#until(() => client.isStreamOver || client.isClosed);
      case "clientCloses":
        client.destroy();
        return this.#player.settle();
      case "clientResets":
        client.reset();
        return this.#player.settle();
      case "clientEnds":
        client.end();
        return true;
      case "quiet":
        return this.#player.settle();
      case "logged": {
        const { name, filters } = this.#testCase;
        return this.#until(() =>
          this.#player.logs.linesOf(name, filters.length).some((line) => line.includes(step.text)),
        );
      }
      case "response":
        this.#responses++;
        return this.#response();
      case "responseHead":
        this.#heads++;
        await this.#until(() => client.messages.length >= this.#heads || client.isClosed);
        return client.messages.length >= this.#heads;
      case "responseBody":
        await this.#until(() => this.#bodyBytes(client) >= step.bytes || client.isClosed);
        return this.#bodyBytes(client) >= step.bytes;
      case "closed":
        return this.#until(() => client.isClosed);
      default:
        return this.#upstreamStep(step);
    }
  }

  async #upstreamStep(step: ScriptStep): Promise<boolean> {
    const { upstream } = this.#player;
    switch (step.do) {
      case "upstreamHead":
        this.#requests++;
        return this.#upstreamHas(() => upstream.requests.length >= this.#requests);
      case "upstreamRequest":
        this.#requests++;
        return this.#upstreamHas(
          () => upstream.requests.filter((message) => message.isComplete).length >= this.#requests,
        );
      case "upstreamBody":
        return this.#upstreamHas(() => {
          return (upstream.requests.at(-1)?.body.length ?? 0) >= step.bytes;
        });
      case "answer":
        upstream.newest?.send(step.text);
        return upstream.newest !== null;
      case "answerPart":
        upstream.newest?.sendPart(step.part);
        return upstream.newest !== null;
      case "upstreamStreamOver":
        return this.#until(() => upstream.newest?.isStreamOver ?? false);
      case "upstreamClosed":
        return this.#until(() => upstream.newest?.isClosed ?? false);
      case "upstreamCloses":
        upstream.newest?.end();
        return this.#player.settle();
      case "upstreamResets":
        upstream.newest?.reset();
        return this.#player.settle();
      default:
        throw new Error(`no step ${step.do}`);
    }
  }

  /** A request that the proxy answers by itself never comes: that needs no waiting. */
  async #upstreamHas(isThere: () => boolean): Promise<boolean> {
    const client = this.#client;
    const isOver = (): boolean => {
      const finals = client?.finals.filter((message) => message.isComplete).length ?? 0;
      return (client?.isClosed ?? true) || finals > this.#responses;
    };
    await this.#until(() => isThere() || isOver());
    if (!isThere()) await this.#player.settle();
    return isThere();
  }

  async #response(): Promise<boolean> {
    const client = this.#client;
    const isThere = (): boolean =>
      (client?.finals.filter((message) => message.isComplete).length ?? 0) >= this.#responses;
    await this.#until(() => isThere() || (client?.isClosed ?? true));
    return isThere();
  }

  #bodyBytes(client: Peer): number {
    return client.messages.at(-1)?.body.length ?? 0;
  }

  #until(isThere: () => boolean): Promise<boolean> {
    return this.#player.changes.until(isThere, STEP_LIMIT_MS);
  }
}

export class GroupPlayer {
  readonly changes: Changes;
  readonly upstream: Upstream;
  readonly logs: GuestLogs;
  readonly proxy: RunningProxy;
  #probes = 0;

  private constructor(parts: Pick<GroupPlayer, "changes" | "upstream" | "logs" | "proxy">) {
    this.changes = parts.changes;
    this.upstream = parts.upstream;
    this.logs = parts.logs;
    this.proxy = parts.proxy;
  }

  /** Starts the proxy on the group's configuration. */
  static async start(group: CaseGroup, target: Target): Promise<GroupPlayer> {
    const directory = workDirectory();
    const changes = new Changes();
    const upstream = await Upstream.listen(changes);
    const fileOf = writeGuests((name, bytes) => {
      const file = join(directory, name);
      writeFileSync(file, bytes);
      return file;
    });
    const { port, h2Port } = upstream;
    const ports = { upstream: port, h2Upstream: h2Port, dead: CLOSED_PORT };
    const { yaml, plugins } = groupConfig(group, ports, fileOf);
    const logs = new GuestLogs(plugins);
    try {
      const proxy = await RunningProxy.start(target, yaml, { directory, logs, changes });
      return new GroupPlayer({ changes, upstream, logs, proxy });
    } catch (error) {
      await upstream.close();
      throw error;
    }
  }

  /** A proxy that crashes is recorded as such; it must be started anew for the next case. */
  async play(testCase: DifferentialCase): Promise<Recording> {
    try {
      return await new Play(this, testCase).run();
    } catch (error) {
      if (!(await this.changes.until(() => this.proxy.hasCrashed, STEP_LIMIT_MS))) throw error;
      return { client: [], end: "closed", upstream: [], log: [], stopped: CRASHED };
    }
  }

  /**
   * Returns when everything that was sent before has been dealt with: two requests on each of two
   * new connections, so that events of earlier connections came up in an earlier turn of the loop,
   * and the last one's log line, so that earlier lines have come as well.
   */
  async settle(): Promise<true> {
    for (let connection = 0; connection < 2; connection++) {
      const client = new Endpoint(await openSocket(this.proxy.port(PROBE)), this.changes, []);
      for (let request = 1; request <= 2; request++) {
        this.#probes++;
        const path = `/probe-${this.#probes}`;
        client.methods?.push("GET");
        client.send(`GET ${path} HTTP/1.1\r\nhost: probe.test\r\n\r\n`);
        const isThere = await this.changes.until(
          () =>
            (client.finals.length === request && this.logs.hasProbed(path)) ||
            this.proxy.hasCrashed,
          STEP_LIMIT_MS * 4,
        );
        if (!isThere || this.proxy.hasCrashed)
          throw new Error(`the probe is not answered; log:\n${this.proxy.log}`);
      }
      client.destroy();
    }
    return true;
  }

  async stop(): Promise<void> {
    await this.proxy.stop();
    await this.upstream.close();
  }
}
