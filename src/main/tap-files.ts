/**
 * Takes tapped streams out of the silos' rings and writes a file for each: bodies are read where
 * they lie in the silo's body slab, which is let go afterwards. Thread: the tap writer, and main
 * when the writer is gone.
 */
import { writeFileSync } from "node:fs";
import { present } from "../base/assert.ts";
import { Logger } from "../base/log.ts";
import { unpackRecord } from "../base/msgpack.ts";
import { ChunkHolder } from "../shm/chunk-holder.ts";
import type { RingSet } from "../shm/ring.ts";
import type { TapConnection, TapMessage, TapRecord } from "../silo/tap/tap-record.ts";
import { FILE_ENDINGS, renderTrace, type Trace, type TraceMessage } from "./tap-format.ts";

const log = new Logger("main");

/** Thread: the rings' one consumer. */
export class TapFiles {
  readonly #rings: RingSet;
  readonly #holders: readonly ChunkHolder[];
  /** Prefixes whose files could not be written: one line is enough. */
  readonly #failed = new Set<string>();

  /** @param slabs beside the rings: what each ring's silo reads bodies into */
  constructor(rings: RingSet, slabs: readonly SharedArrayBuffer[]) {
    this.#rings = rings;
    this.#holders = slabs.map((slab) => new ChunkHolder(slab));
  }

  /** Everything that lies in the rings goes to files. */
  write(): void {
    this.#rings.drain((ring, bytes, start, end) => {
      const record = unpackRecord(Buffer.from(bytes.subarray(start, end))) as TapRecord;
      const [format, pathPrefix, id] = record;
      const path = `${pathPrefix}_${id}.${FILE_ENDINGS[format]}`;
      try {
        writeFileSync(path, renderTrace(traceOf(record, this.#holders[ring]), format));
      } catch (error) {
        this.#fail(pathPrefix, `${path} was not written, and others may not be: ${String(error)}`);
      }
    });
  }

  #fail(pathPrefix: string, text: string): void {
    if (this.#failed.has(pathPrefix)) return;
    this.#failed.add(pathPrefix);
    log.error(`tap: ${text}`);
  }
}

/**
 * Throws where a chunk is not held any more: a writer that died wrote this record, and did not get
 * on to the next one.
 */
function traceOf(record: TapRecord, holder: ChunkHolder | undefined): Trace {
  const [, , , request, response, connection] = record;
  const slab = present(holder, "the ring's slab");
  return {
    request: messageOf(request, slab),
    response: response === null ? null : messageOf(response, slab),
    connection: connection === null ? null : connectionOf(connection),
  };
}

function connectionOf([
  localIp,
  localPort,
  remoteIp,
  remotePort,
]: TapConnection): Trace["connection"] {
  return { local: { ip: localIp, port: localPort }, remote: { ip: remoteIp, port: remotePort } };
}

/** Copies the body out of the slab and lets it go. */
function messageOf(message: TapMessage, holder: ChunkHolder): TraceMessage {
  const [headers, trailers, receivedMs, isTruncated, places] = message;
  const pieces: Buffer[] = [];
  for (let i = 0; i < places.length; i += 2) {
    pieces.push(holder.bytes(places[i] as number, places[i + 1] as number));
  }
  const body = Buffer.concat(pieces);
  for (let i = 0; i < places.length; i += 2) holder.release(places[i] as number);
  return { headers: pairs(headers), trailers: pairs(trailers), receivedMs, isTruncated, body };
}

function pairs(flat: readonly string[]): [string, string][] {
  const made: [string, string][] = [];
  for (let i = 0; i < flat.length; i += 2) made.push([flat[i] as string, flat[i + 1] as string]);
  return made;
}
