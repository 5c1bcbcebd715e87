/**
 * Main's side of taps: a ring for each silo, and one thread that writes files of what they bring
 * (ring-writer.ts). Body slabs outlive silos and the writer as rings do. Thread: main.
 */
import { createBell } from "../shm/bell-layout.ts";
import { RingSet } from "../shm/ring.ts";
import { createRing } from "../shm/ring-layout.ts";
import { TAP_WRITER_BELL, type TapRingBoot } from "../silo/tap/tap-ring.ts";
import { RingWriter } from "./ring-writer.ts";
import { TapFiles } from "./tap-files.ts";

/** Compiled file of the thread. */
const ENTRY = new URL("./tap-writer-thread.js", import.meta.url);

export interface TapWriterBoot {
  readonly rings: readonly SharedArrayBuffer[];
  /** Beside the rings: the body slab of each silo. */
  readonly slabs: readonly SharedArrayBuffer[];
  readonly bell: SharedArrayBuffer;
}

export class TapWriter {
  readonly #boot: TapWriterBoot;
  readonly #writer: RingWriter;

  /** @param slabs of the silos, by index */
  constructor(slabs: readonly SharedArrayBuffer[]) {
    const boot = { rings: slabs.map(createRing), slabs, bell: createBell() };
    this.#boot = boot;
    this.#writer = new RingWriter({
      name: "tap writer",
      entry: ENTRY,
      boot,
      bellIndex: TAP_WRITER_BELL,
    });
  }

  /** Where silo `index` sends what it taps. */
  boot(index: number): TapRingBoot {
    const { rings, bell } = this.#boot;
    return { ring: rings[index] as SharedArrayBuffer, bell };
  }

  /** Writes everything that silos, which are gone by now, have left. */
  async stop(): Promise<void> {
    await this.#writer.stop();
    const { rings, slabs } = this.#boot;
    new TapFiles(new RingSet(rings), slabs).write();
  }
}
