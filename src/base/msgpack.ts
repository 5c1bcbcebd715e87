/** The one door to msgpackr: records inside rings. No shared structures, so each stands alone. */
import { Packr } from "msgpackr";

const packr = new Packr({ useRecords: false });

/** Bytes of `value`, good until the next call of this thread copies or packs again. */
export function packRecord(value: unknown): Buffer {
  return packr.pack(value);
}

/** The value in `bytes`, in ordinary memory: text cannot be decoded from shared memory. */
export function unpackRecord(bytes: Buffer): unknown {
  return packr.unpack(bytes);
}
