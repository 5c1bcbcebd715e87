/**
 * The thread that writes access logs: sleeps until a silo's ring has records, and appends their
 * lines to the files. Started by log-writer.ts with the first record.
 */
import { parentPort, workerData } from "node:worker_threads";
import { present } from "../base/assert.ts";
import { systemClock } from "../base/clock.ts";
import { Bells } from "../shm/bells.ts";
import { RingSet } from "../shm/ring.ts";
import { WRITER_BELL } from "../silo/log-ring.ts";
import { LogSinks } from "../silo/log-sinks.ts";
import { writeRecords } from "./log-records.ts";
import type { LogWriterBoot, ToLogWriter } from "./log-writer.ts";

const { rings, bells: bellWords } = workerData as LogWriterBoot;
const port = present(parentPort, "the log writer's port");
const set = new RingSet(rings);
const bells = new Bells(new Int32Array(bellWords));
const sinks = new LogSinks(systemClock);
const look = (): void => void writeRecords(set, sinks);

port.on("message", (message: ToLogWriter) => {
  // What was logged before goes to the file of before.
  look();
  if (message === "reopen") {
    sinks.reopen();
    port.postMessage("reopened");
    return;
  }
  bells.close();
  sinks.flush();
  port.close();
});
bells.listen(WRITER_BELL, look);
look();
