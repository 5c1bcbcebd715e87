/**
 * The side of a thread that is told of items in shared queues: wakes when its bell was rung, and
 * says for each queue how many items it was not told of yet.
 */
import { Bells } from "./bells.ts";
import { attachSharedQueues, SEATS } from "./shared-queues-layout.ts";

/** Thread: the one on the seat. */
export class QueueNotices {
  readonly #words: Int32Array;
  readonly #bells: Bells;
  readonly #seat: number;

  constructor(region: SharedArrayBuffer, seat: number) {
    const { bells, ready } = attachSharedQueues(region).fields;
    this.#words = new Int32Array(region, ready.offset, ready.count);
    this.#bells = new Bells(new Int32Array(region, bells.offset, bells.count));
    this.#seat = seat;
  }

  /**
   * Calls `tell` from the event loop, once per item; who is told may find none left.
   * @param queues the ones that this thread has registered by then
   */
  listen(queues: () => Iterable<number>, tell: (queue: number) => void): void {
    this.#bells.listen(this.#seat, () => {
      for (const queue of queues()) {
        const count = Atomics.exchange(this.#words, queue * SEATS + this.#seat, 0);
        for (let i = 0; i < count; i++) tell(queue);
      }
    });
  }

  close(): void {
    this.#bells.close();
  }
}
