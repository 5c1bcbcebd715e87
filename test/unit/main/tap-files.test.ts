/** Files of the tap writer: from rings and slabs, and what happens to the chunks. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { TapFiles } from "../../../src/main/tap-files.ts";
import { createBell } from "../../../src/shm/bell-layout.ts";
import { BodySlab } from "../../../src/shm/body-slab.ts";
import { createBodySlab } from "../../../src/shm/body-slab-layout.ts";
import { RingSet } from "../../../src/shm/ring.ts";
import { createRing } from "../../../src/shm/ring-layout.ts";
import { TapRing } from "../../../src/silo/tap/tap-ring.ts";

const directory = mkdtempSync(join(tmpdir(), "granary-tap-files-"));
after(() => rmSync(directory, { recursive: true }));

const SILOS = 2;
const slabs = Array.from({ length: SILOS }, () => createBodySlab(8 * 65_536));
const rings = Array.from({ length: SILOS }, createRing);
const bell = createBell();
const silos = slabs.map((region) => new BodySlab(region));
const taps = silos.map(
  (slab, index) => new TapRing({ ring: rings[index] as SharedArrayBuffer, bell }, slab),
);
const files = new TapFiles(new RingSet(rings), slabs);

/** Sends a stream of one silo whose request body is `text`. */
function send(silo: number, prefix: string, text: string): void {
  const lease = (silos[silo] as BodySlab).lease();
  lease.bytes.write(text);
  const chunk = lease.view(0, text.length);
  lease.release();
  const message = [[":path", "/"], [], -1, false, [chunk.offset, text.length]] as const;
  const record = ["text", join(directory, prefix), `${silo}`, message, null, null] as const;
  assert.ok(taps[silo]?.send(record, [chunk]));
  chunk.release();
}

const held = (): number[] =>
  silos.map((slab) => {
    slab.sweepHeld();
    return slab.heldCount;
  });

test("each silo's streams are read from its own slab, and their chunks let go", () => {
  send(0, "a", "of silo 0");
  send(1, "a", "of silo 1");
  assert.deepEqual(held(), [1, 1]);
  files.write();
  assert.deepEqual(held(), [0, 0]);
  const texts = ["a_0.pb_text", "a_1.pb_text"].map((name) =>
    readFileSync(join(directory, name), "utf8"),
  );
  for (const [silo, text] of texts.entries()) {
    assert.ok(text.includes(`as_bytes: "of silo ${silo}"`), text);
  }
});

test("chunks of a file that cannot be written are let go, and others go on", () => {
  send(0, "missing/b", "lost");
  send(0, "c", "written");
  files.write();
  assert.deepEqual(held(), [0, 0]);
  assert.deepEqual(
    readdirSync(directory).filter((name) => !name.startsWith("a_")),
    ["c_0.pb_text"],
  );
});
