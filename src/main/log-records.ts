/** Takes access-log records out of the silos' rings and gives their lines to the sinks. */
import { unpackRecord } from "../base/msgpack.ts";
import type { RingSet } from "../shm/ring.ts";
import type { LogRecord } from "../silo/log-ring.ts";
import type { LogSinks } from "../silo/log-sinks.ts";

/** @returns how many records there were. Thread: the rings' one consumer */
export function writeRecords(rings: RingSet, sinks: LogSinks): number {
  return rings.drain((_ring, bytes, start, end) => {
    const [key, line] = unpackRecord(Buffer.from(bytes.subarray(start, end))) as LogRecord;
    if (line === null) sinks.retire(key);
    else sinks.write(key, line);
  });
}
