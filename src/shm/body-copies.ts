/**
 * Counts every body byte that is copied in user space, by reason, where it is copied. A silo points
 * the counts at its metrics when it starts; elsewhere they go nowhere.
 * @hot per-chunk
 */

/** What of a counter is needed here. */
export interface ByteCount {
  add(bytes: number): void;
}

export interface BodyCopies {
  /** Came in the read that also brought the head, in the window that idle connections share. */
  window: ByteCount;
  /** Small enough to go out as text in one write with a head or chunk frame. */
  joined: ByteCount;
  /** Came into memory that a guest lends, and was not taken on at once. */
  lent: ByteCount;
  /** Into the memory of a guest. */
  filter_read: ByteCount;
  /** Kept by a tap: short, or in no chunk that another thread can hold. */
  tapped: ByteCount;
  /** Out of the memory of a guest, and what stays of the chunks that it changed. */
  filter_write: ByteCount;
}

const NOWHERE: ByteCount = { add: () => undefined };

/** The counts of this thread. */
export const bodyCopies: BodyCopies = {
  window: NOWHERE,
  joined: NOWHERE,
  lent: NOWHERE,
  tapped: NOWHERE,
  filter_read: NOWHERE,
  filter_write: NOWHERE,
};

/** Thread: a silo's, at its start. */
export function countBodyCopies(counts: BodyCopies): void {
  Object.assign(bodyCopies, counts);
}
