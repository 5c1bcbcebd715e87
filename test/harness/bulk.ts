/**
 * Bodies too large to hold: pattern bytes are written, counted and hashed as they go by, and the
 * memory of another process is read from the kernel.
 */
import { createHash, type Hash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";

export const MIB = 1024 * 1024;
const HEAD_END = "\r\n\r\n";

/** 1 MiB of bytes that are no repetition of a short block. */
const BLOCK = Buffer.alloc(MIB);
for (let i = 0, x = 1; i < MIB; i += 4) {
  x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
  BLOCK.writeUInt32LE(x, i);
}

/** The hash of `blocks` times the block. */
export function bulkHash(blocks: number): string {
  const hash = createHash("sha1");
  for (let i = 0; i < blocks; i++) hash.update(BLOCK);
  return hash.digest("hex");
}

/** Writes `blocks` times 1 MiB as fast as the socket takes it. */
export async function writeBulk(socket: Socket, blocks: number): Promise<void> {
  for (let i = 0; i < blocks && !socket.destroyed; i++) {
    if (socket.write(BLOCK)) continue;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        socket.off("drain", go).off("close", go);
        resolve();
      };
      socket.on("drain", go).on("close", go);
    });
  }
}

export interface BulkResult {
  readonly head: string;
  readonly byteLength: number;
  readonly hash: string;
}

/**
 * Reads one message of `byteLength` body bytes without keeping it. Every `pauseEvery` bytes reading
 * stops until `pause` resolves: a slow reader.
 */
export function readBulk(
  socket: Socket,
  byteLength: number,
  pauseEvery: number,
  pause: () => Promise<void>,
): Promise<BulkResult> {
  const hash: Hash = createHash("sha1");
  let head = "";
  let count = -1;
  let nextPause = pauseEvery;
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`closed after ${count} bytes: ${head}`)));
    const body = (bytes: Buffer): void => {
      hash.update(bytes);
      count += bytes.length;
      if (count >= byteLength) {
        resolve({ head, byteLength: count, hash: hash.digest("hex") });
      } else if (count >= nextPause) {
        nextPause += pauseEvery;
        socket.pause();
        void pause().then(() => socket.resume());
      }
    };
    socket.on("data", (bytes: Buffer) => {
      if (count >= 0) return body(bytes);
      head += bytes.toString("latin1");
      const end = head.indexOf(HEAD_END);
      if (end < 0) return undefined;
      const rest = Buffer.from(head.slice(end + HEAD_END.length), "latin1");
      head = head.slice(0, end);
      count = 0;
      if (rest.length > 0) body(rest);
      return undefined;
    });
  });
}

/** Resident memory of a process now and at its highest, in bytes. Source: proc(5), status. */
export function residentBytes(pid: number): { readonly now: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const field = (name: string): number => {
    const found = new RegExp(`${name}:\\s+(\\d+) kB`).exec(status);
    return Number(found?.[1] ?? "0") * 1024;
  };
  return { now: field("VmRSS"), peak: field("VmHWM") };
}
