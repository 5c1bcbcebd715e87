/**
 * What the handlers of one context wait for. When the context ends everything is rejected at once,
 * so that a handler that is left over runs to its end; what it waited for is given up.
 */
import { ContextEndedError } from "./errors.ts";

export interface Wait {
  reject(error: Error): void;
  /** Gives up what it waits for; null: nothing can be done. */
  cancel: (() => void) | null;
}

export class Waits {
  readonly #open = new Set<Wait>();
  #ended = false;

  get ended(): boolean {
    return this.#ended;
  }

  /** A promise that `start` settles, by the functions it is given, or the end of the context. */
  promise<T>(start: (wait: Wait, resolve: (value: T) => void) => void): Promise<T> {
    const promise = new Promise<T>((resolve, reject) => {
      if (this.#ended) throw new ContextEndedError();
      const wait: Wait = {
        cancel: null,
        reject: (error) => {
          this.#open.delete(wait);
          reject(error);
        },
      };
      this.#open.add(wait);
      try {
        start(wait, (value) => {
          this.#open.delete(wait);
          resolve(value);
        });
      } catch (error) {
        this.#open.delete(wait);
        reject(error);
      }
    });
    // A handler that does not look at it has not failed by that.
    promise.catch(() => undefined);
    return promise;
  }

  /** Calls `cancel` when the context ends, unless the returned function is called before. */
  hold(cancel: () => void): () => void {
    const wait: Wait = { cancel, reject: () => this.#open.delete(wait) };
    this.#open.add(wait);
    return () => this.#open.delete(wait);
  }

  end(): void {
    this.#ended = true;
    for (const wait of [...this.#open]) {
      wait.cancel?.();
      wait.reject(new ContextEndedError());
    }
  }
}
