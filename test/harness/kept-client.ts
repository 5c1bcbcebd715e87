/** A client that asks again and again on one HTTP/1.1 connection: cheap enough for thousands of them. */
import { connect, type Socket } from "node:net";

const LENGTH = /content-length: (\d+)/;
const HEAD_END = "\r\n\r\n";

export class KeptClient {
  readonly #socket: Socket;
  #received = "";
  #answered: ((body: string) => void) | null = null;
  #failed: ((error: Error) => void) | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("latin1").on("data", (text: string) => this.#read(text));
    socket.on("error", (error) => this.#failed?.(error));
    socket.on("close", () => this.#failed?.(new Error("closed without an answer")));
  }

  static open(port: number): Promise<KeptClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1" });
      socket.once("error", reject);
      socket.once("connect", () => resolve(new KeptClient(socket)));
    });
  }

  /** The body of the answer to a GET; rejects when the connection ends before. One at a time. */
  ask(path: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
    const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    this.#socket.write(`GET ${path} HTTP/1.1\r\nhost: a.example\r\n${fields.join("")}\r\n`);
    return new Promise((resolve, reject) => {
      this.#answered = resolve;
      this.#failed = reject;
    });
  }

  close(): void {
    this.#failed = null;
    this.#socket.destroy();
  }

  /** Bodies have a length, or are chunked in one piece. */
  #read(text: string): void {
    this.#received += text;
    const head = this.#received.indexOf(HEAD_END);
    if (head < 0) return;
    const body = this.#received.slice(head + HEAD_END.length);
    const length = LENGTH.exec(this.#received)?.[1];
    if (length === undefined ? !body.endsWith("0\r\n\r\n") : body.length < Number(length)) return;
    this.#received = "";
    const answered = this.#answered;
    this.#answered = null;
    this.#failed = null;
    answered?.(length === undefined ? (body.split("\r\n")[1] ?? "") : body);
  }
}
