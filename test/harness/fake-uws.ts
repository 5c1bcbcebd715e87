/**
 * uWS's response object as far as Granary relies on it: it takes `room` bytes, holds chunks that it
 * cannot send until something new is written or a cork ends, and throws once it is dead.
 */
import type { UwsResponseHandle, UwsText } from "../../src/silo/downstream/uws-library.ts";

export class FakeUwsHandle implements UwsResponseHandle {
  /** Bytes the client still takes. */
  room = Number.MAX_SAFE_INTEGER;
  sent = "";
  held = "";
  head: string[] = [];
  dead = false;
  ended = false;
  closed = false;
  paused = false;
  resumes = 0;
  #offset = 0;
  #abort: () => void = () => {};
  #data: (chunk: ArrayBuffer, isLast: boolean) => void = () => {};
  #writable: (offset: number) => boolean = () => true;

  #live(): this {
    if (this.dead) throw new Error("uWS.HttpResponse must not be accessed");
    return this;
  }

  #push(): void {
    const part = this.held.slice(0, this.room);
    this.held = this.held.slice(part.length);
    this.room -= part.length;
    this.sent += part;
  }

  writeStatus(status: UwsText): this {
    this.#live().head.push(...textOf(status).split("\r\n"));
    return this;
  }
  writeHeader(name: UwsText, value: UwsText): this {
    this.#live().head.push(`${textOf(name)}: ${textOf(value)}`);
    return this;
  }
  write(chunk: UwsText): boolean {
    this.#live().held += textOf(chunk);
    this.#push();
    return this.held === "";
  }
  end(body: UwsText = "", closeConnection = false): this {
    this.#live().held += textOf(body);
    this.#push();
    this.ended = true;
    this.closed = closeConnection;
    this.dead = true;
    return this;
  }
  endWithoutBody(): this {
    return this.end();
  }
  tryEnd(chunk: UwsText, totalBytes: number): [boolean, boolean] {
    const text = textOf(chunk);
    const part = this.#live() && text.slice(0, this.room);
    this.room -= part.length;
    this.sent += part;
    this.#offset += part.length;
    this.dead = this.#offset === totalBytes;
    return [part.length === text.length, this.dead];
  }
  getWriteOffset(): number {
    return this.#live().#offset;
  }
  onWritable(run: (offset: number) => boolean): this {
    this.#live().#writable = run;
    return this;
  }
  onAborted(run: () => void): this {
    this.#live().#abort = run;
    return this;
  }
  onData(run: (chunk: ArrayBuffer, isLast: boolean) => void): this {
    this.#live().#data = run;
    return this;
  }
  pause(): void {
    this.#live();
    // As uWS's: both turn reading over.
    this.paused = !this.paused;
  }
  resume(): void {
    this.#live();
    this.paused = !this.paused;
    this.resumes++;
  }
  cork(run: () => void): this {
    this.#live();
    run();
    this.#push();
    return this;
  }
  close(): this {
    this.#live().closed = true;
    this.abort();
    return this;
  }
  getRemoteAddressAsText(): ArrayBuffer {
    return new ArrayBuffer(0);
  }

  // --- what the client does -----------------------------------------------------------------

  abort(): void {
    this.dead = true;
    this.#abort();
  }
  receive(text: string, isLast: boolean): void {
    const bytes = new TextEncoder().encode(text);
    this.#data(bytes.buffer as ArrayBuffer, isLast);
    // The memory is uWS's again.
    bytes.fill(0);
  }
  takes(room: number): boolean {
    this.room = room;
    return this.#writable(this.#offset);
  }
}

function textOf(text: UwsText): string {
  return typeof text === "string" ? text : Buffer.from(text).toString("latin1");
}
