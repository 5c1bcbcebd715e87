/**
 * Wakes threads: one word per thread, on its own line. Who has written something for a thread rings
 * its bell; only the first ring after the thread last looked wakes it, so a busy thread costs its
 * producers one exchange each.
 *
 * Ordering. A producer publishes its data, then exchanges 1 into the word. The thread stores 0 into
 * the word before it looks for data. So either the producer finds 0 and wakes it, or the thread has
 * not begun to look yet and sees the data.
 */
export const BELL_STRIDE = 16;

const SILENT = 0;
const RUNG = 1;

/** Thread: any; one object per thread. */
export class Bells {
  readonly #words: Int32Array;
  #listening = false;

  /** @param words one bell every BELL_STRIDE words */
  constructor(words: Int32Array) {
    this.#words = words;
  }

  /** Tells thread `index` that there is something to look at. */
  ring(index: number): void {
    const at = index * BELL_STRIDE;
    if (Atomics.exchange(this.#words, at, RUNG) !== SILENT) return;
    Atomics.notify(this.#words, at);
  }

  /** Calls `look` from the event loop whenever bell `index` was rung, until {@link close}. */
  listen(index: number, look: () => void): void {
    this.#listening = true;
    const at = index * BELL_STRIDE;
    const wake = (): void => {
      if (!this.#listening) return;
      Atomics.store(this.#words, at, SILENT);
      look();
      wait();
    };
    const wait = (): void => {
      const result = Atomics.waitAsync(this.#words, at, SILENT);
      if (result.async) void result.value.then(wake);
      // Rung meanwhile; a turn later, so that the event loop gets on.
      else setImmediate(wake);
    };
    wait();
  }

  close(): void {
    this.#listening = false;
  }
}
