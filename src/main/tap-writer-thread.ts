/**
 * The thread that writes the files of taps: sleeps until a silo's ring has a record. Started by
 * tap-writer.ts with the first one.
 */
import { parentPort, workerData } from "node:worker_threads";
import { present } from "../base/assert.ts";
import { attachBell } from "../shm/bell-layout.ts";
import { RingSet } from "../shm/ring.ts";
import { TAP_WRITER_BELL } from "../silo/tap/tap-ring.ts";
import { TapFiles } from "./tap-files.ts";
import type { TapWriterBoot } from "./tap-writer.ts";

const { rings, slabs, bell } = workerData as TapWriterBoot;
const port = present(parentPort, "the tap writer's port");
const bells = attachBell(bell);
const files = new TapFiles(new RingSet(rings), slabs);
const look = (): void => files.write();

// The one message: it is to end.
port.on("message", () => {
  look();
  bells.close();
  port.close();
});
bells.listen(TAP_WRITER_BELL, look);
look();
