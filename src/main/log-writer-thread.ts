/**
 * The thread that writes access logs: sleeps until a silo's ring has records, appends their lines
 * to the files, and rests, so that the lines of a busy silo come in few large writes and their
 * producers need not wake anybody. Started by log-writer.ts with the first record.
 */
import { parentPort, workerData } from "node:worker_threads";
import { present } from "../base/assert.ts";
import { attachBell } from "../shm/bell-layout.ts";
import { RingSet } from "../shm/ring.ts";
import { WRITER_BELL } from "../silo/log-ring.ts";
import { LogSinks } from "../silo/log-sinks.ts";
import { LogRecords } from "./log-records.ts";
import type { LogWriterBoot, ToLogWriter } from "./log-writer.ts";

/** Between two looks: as late as a line may be in its file, while a ring is less than half full. */
const REST_MS = 100;

const { rings, bell } = workerData as LogWriterBoot;
const port = present(parentPort, "the log writer's port");
const bells = attachBell(bell);
const sinks = new LogSinks();
const records = new LogRecords(new RingSet(rings), sinks);
const look = (): void => void records.write();

port.on("message", (message: ToLogWriter) => {
  // What was logged before goes to the file of before.
  look();
  if (message === "reopen") {
    sinks.reopen();
    port.postMessage("reopened");
    return;
  }
  bells.close();
  port.close();
});
bells.listen(WRITER_BELL, look, REST_MS);
look();
