/**
 * A client that writes bytes as they are and collects what comes back.
 */
import { connect, type Socket } from "node:net";

export class RawClient {
  readonly socket: Socket;
  #received = "";
  #ended = false;
  #waiting: (() => void) | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    const wake = (): void => {
      const waiting = this.#waiting;
      this.#waiting = null;
      waiting?.();
    };
    socket.setEncoding("latin1").on("data", (text: string) => {
      this.#received += text;
      wake();
    });
    const end = (): void => {
      this.#ended = true;
      wake();
    };
    socket.on("end", end).on("close", end).on("error", end);
  }

  static open(port: number, host = "127.0.0.1"): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host, allowHalfOpen: true });
      socket.once("error", reject);
      socket.once("connect", () => resolve(new RawClient(socket)));
    });
  }

  get received(): string {
    return this.#received;
  }

  send(text: string): void {
    this.socket.write(text, "latin1");
  }

  /** Resolves with all text received once `enough` says so; rejects when the peer closed before. */
  async until(enough: (text: string) => boolean): Promise<string> {
    while (!enough(this.#received)) {
      if (this.#ended) throw new Error(`closed after: ${JSON.stringify(this.#received)}`);
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    return this.#received;
  }

  /** Everything until the peer closes. */
  async untilClosed(): Promise<string> {
    while (!this.#ended) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    return this.#received;
  }

  close(): void {
    this.socket.destroy();
  }
}

/** Sends `text` on a connection of its own and returns everything until the peer closes. */
export async function exchange(port: number, text: string): Promise<string> {
  const client = await RawClient.open(port);
  client.send(text);
  const answer = await client.untilClosed();
  client.close();
  return answer;
}
