/**
 * The shared queues as the plugins of one thread use them: by name, and with a listener per queue
 * that is told of items. The last listener of a queue on this thread is the one that is told.
 */
import { LIMITS } from "../base/limits.ts";
import { QueueNotices } from "./queue-notices.ts";
import type { SharedNames } from "./shared-names.ts";
import { QUEUED, SharedQueues } from "./shared-queues.ts";
import type { LockParty } from "./stripe-locks.ts";

/** Who is told that an item lies in a queue that it registered. */
export interface QueueListener {
  onQueueReady(queue: number): void;
}

/** Names are numbered from 2 on, queues from 1. */
const FIRST_NAME = 1;

export class QueueSeat {
  readonly queues: SharedQueues;
  readonly #names: SharedNames;
  readonly #notices: QueueNotices;
  readonly #seat: number;
  readonly #listeners = new Map<number, QueueListener>();

  constructor(
    options: { readonly region: SharedArrayBuffer; readonly seat: number },
    party: LockParty,
    names: SharedNames,
  ) {
    this.queues = new SharedQueues(options.region, party);
    this.#notices = new QueueNotices(options.region, options.seat);
    this.#seat = options.seat;
    this.#names = names;
  }

  /** From now on `listener` is told of items; the queue's number, or 0 when there is none left. */
  register(vmId: Uint8Array, name: Uint8Array, listener: QueueListener): number {
    const key = queueKey(vmId, name);
    if (key.byteLength > LIMITS.sharedKeyBytes) return 0;
    const number = this.#names.numberOf(key);
    if (number === 0) return 0;
    const queue = number - FIRST_NAME;
    this.#listeners.set(queue, listener);
    return this.queues.register(queue, this.#seat) === QUEUED.done ? queue : 0;
  }

  /** The number of a registered queue, or 0. */
  resolve(vmId: Uint8Array, name: Uint8Array): number {
    const number = this.#names.find(queueKey(vmId, name));
    return number !== 0 && this.queues.exists(number - FIRST_NAME) ? number - FIRST_NAME : 0;
  }

  /** Begins to tell listeners. */
  listen(): void {
    this.#notices.listen(
      () => this.#listeners.keys(),
      (queue) => this.#listeners.get(queue)?.onQueueReady(queue),
    );
  }

  close(): void {
    this.#notices.close();
  }
}

/** Names of two vm_ids never meet, whatever bytes they have. */
function queueKey(vmId: Uint8Array, name: Uint8Array): Buffer {
  const key = Buffer.alloc(4 + vmId.byteLength + name.byteLength);
  key.writeUInt32LE(vmId.byteLength);
  key.set(vmId, 4);
  key.set(name, 4 + vmId.byteLength);
  return key;
}
