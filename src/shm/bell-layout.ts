/** Layout of the bell of one thread that many ring: see bells.ts, which says who must see what. */
import { BELL_STRIDE, Bells } from "./bells.ts";
import { attachRegion, CACHE_LINE_BYTES, createRegion, defineLayout } from "./layout.ts";

export const BELL_LAYOUT = defineLayout({
  name: "bell",
  magic: "GRNw",
  version: 1,
  fields: {
    words: {
      type: "i32",
      count: BELL_STRIDE,
      unit: "0 or 1",
      writer: "any, by Atomics",
      note: "first: there is something to look at; second: it is not to rest any longer",
      align: CACHE_LINE_BYTES,
    },
  },
});

/** Thread: main. */
export function createBell(): SharedArrayBuffer {
  return createRegion(BELL_LAYOUT);
}

/** The bell in `region`, number 0 of its bells. Thread: any; one object per thread. */
export function attachBell(region: SharedArrayBuffer): Bells {
  attachRegion(BELL_LAYOUT, region);
  const { offset, count } = BELL_LAYOUT.fields.words;
  return new Bells(new Int32Array(region, offset, count));
}
