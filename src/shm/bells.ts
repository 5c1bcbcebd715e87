/**
 * Wakes threads: two words per thread, on a line of their own. Who has written something for a
 * thread rings its bell; only the first ring after the thread last looked wakes it, so a busy
 * thread costs its producers one exchange each. A thread may rest after it has looked: rings wait
 * until then, so that it is woken a few times a second at most, except by who hurries it.
 *
 * Ordering. A producer publishes its data, then exchanges 1 into the word. The thread stores 0 into
 * the word before it looks for data. So either the producer finds 0 and wakes it, or the thread has
 * not begun to look yet and sees the data. A thread that rests finds 1 in its word when it is about
 * to wait, and looks again.
 */
export const BELL_STRIDE = 16;
/** The word after the bell: 1 = whoever rests shall look now. */
const HURRY = 1;

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
    this.#set(index * BELL_STRIDE);
  }

  /** Ends the rest of thread `index`, whose bell was rung. */
  hurry(index: number): void {
    this.#set(index * BELL_STRIDE + HURRY);
  }

  #set(at: number): void {
    if (Atomics.exchange(this.#words, at, RUNG) !== SILENT) return;
    Atomics.notify(this.#words, at);
  }

  /**
   * Calls `look` from the event loop whenever bell `index` was rung, until {@link close}; a second
   * time not before `restMs` are over, or it is hurried.
   */
  listen(index: number, look: () => void, restMs = 0): void {
    this.#listening = true;
    const at = index * BELL_STRIDE;
    const wake = (): void => {
      if (!this.#listening) return;
      Atomics.store(this.#words, at + HURRY, SILENT);
      Atomics.store(this.#words, at, SILENT);
      look();
      if (restMs === 0) wait();
      else this.#until(at + HURRY, restMs, wait);
    };
    const wait = (): void => {
      if (this.#listening) this.#until(at, Number.POSITIVE_INFINITY, wake);
    };
    wait();
  }

  /** Runs `next` when the word is not silent, or `waitMs` are over; never at once. */
  #until(at: number, waitMs: number, next: () => void): void {
    const result = Atomics.waitAsync(this.#words, at, SILENT, waitMs);
    if (result.async) void result.value.then(next);
    // Set meanwhile; a turn later, so that the event loop gets on.
    else setImmediate(next);
  }

  close(): void {
    this.#listening = false;
  }
}
