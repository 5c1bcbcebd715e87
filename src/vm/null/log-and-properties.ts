/** The log and the attributes of the API, over the hostcalls. */
import { GUEST_LOG_LEVEL, STATUS } from "../../abi/enums.ts";
import type { Data, Log, Properties } from "./api.ts";
import { bytesOf, type Host, OUT_LEN, OUT_PTR, utf8Of } from "./host.ts";

export class ContextLog implements Log {
  readonly #host: Host;
  readonly #id: number;

  constructor(host: Host, id: number) {
    this.#host = host;
    this.#id = id;
  }

  trace(text: string): void {
    this.#write(GUEST_LOG_LEVEL.trace, text);
  }
  debug(text: string): void {
    this.#write(GUEST_LOG_LEVEL.debug, text);
  }
  info(text: string): void {
    this.#write(GUEST_LOG_LEVEL.info, text);
  }
  warn(text: string): void {
    this.#write(GUEST_LOG_LEVEL.warn, text);
  }
  error(text: string): void {
    this.#write(GUEST_LOG_LEVEL.error, text);
  }
  critical(text: string): void {
    this.#write(GUEST_LOG_LEVEL.critical, text);
  }

  #write(level: number, text: string): void {
    const host = this.#host;
    const bytes = bytesOf(text);
    host.begin();
    const ptr = host.putBytes(bytes);
    host.act(this.#id);
    host.calls.proxy_log(level, ptr, bytes.byteLength);
    host.done();
  }
}

export class ContextProperties implements Properties {
  readonly #host: Host;
  readonly #id: number;

  constructor(host: Host, id: number) {
    this.#host = host;
    this.#id = id;
  }

  text(...path: string[]): string | null {
    const bytes = this.#read(path);
    return bytes === null ? null : utf8Of(bytes);
  }

  number(...path: string[]): number | null {
    const bytes = this.#read(path);
    if (bytes === null || bytes.byteLength !== 8) return null;
    return Number(Buffer.from(bytes).readBigInt64LE());
  }

  boolean(...path: string[]): boolean | null {
    const bytes = this.#read(path);
    return bytes === null || bytes.byteLength !== 1 ? null : bytes[0] !== 0;
  }

  bytes(...path: string[]): Uint8Array | null {
    return this.#read(path);
  }

  set(path: string | readonly string[], value: Data): void {
    const host = this.#host;
    const name = typeof path === "string" ? path : path.join("\0");
    const bytes = bytesOf(value);
    host.begin();
    const namePtr = host.putText(name);
    const ptr = host.putBytes(bytes);
    host.act(this.#id);
    const status = host.calls.proxy_set_property(namePtr, name.length, ptr, bytes.byteLength);
    host.end("proxy_set_property", status);
  }

  #read(path: readonly string[]): Uint8Array | null {
    const host = this.#host;
    const name = path.join("\0");
    host.begin();
    const ptr = host.putText(name);
    host.act(this.#id);
    const status = host.calls.proxy_get_property(ptr, name.length, OUT_PTR, OUT_LEN);
    host.done();
    return status === STATUS.ok ? host.resultBytes() : null;
  }
}
