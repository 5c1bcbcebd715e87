/**
 * What the ABI lacks for shared data, under names of Granary's own; keys are those of
 * proxy_set_shared_data. Numbers are little-endian.
 *
 *   granary.shared_data_delete  key                     -> nothing; NotFound
 *   granary.shared_data_ttl     u32 ttl_ms, key         -> nothing; NotFound. 0 = never expires
 *   granary.shared_data_list    u32 count_max, prefix   -> per key: u32 length, key. 0 = no limit
 *   granary.shared_data_add     i64 delta, key          -> i64 sum, u32 cas; BadArgument when the
 *                                                          value has not 8 bytes
 */
import { STATUS } from "../../abi/enums.ts";
import { LIMITS } from "../../base/limits.ts";
import { SHARED } from "../../shm/shared-data.ts";
import { ownSpace } from "../hostcalls/shared-data.ts";
import { dataStatus } from "../hostcalls/shared-status.ts";
import type { ForeignFamily } from "./types.ts";

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function encodeKeys(keys: readonly Uint8Array[]): Uint8Array {
  const size = keys.reduce((sum, key) => sum + 4 + key.byteLength, 0);
  const result = new Uint8Array(size);
  let at = 0;
  for (const key of keys) {
    view(result).setUint32(at, key.byteLength, true);
    result.set(key, at + 4);
    at += 4 + key.byteLength;
  }
  return result;
}

export const sharedDataFunctions: ForeignFamily = (env) => {
  const space = ownSpace(env);
  return {
    "granary.shared_data_delete": (args) =>
      dataStatus(env, "granary.shared_data_delete", env.roles.shared.data.remove(space(), args)),
    "granary.shared_data_ttl": (args) => {
      if (args.byteLength < 4) return STATUS.badArgument;
      const ttlMs = view(args).getUint32(0, true);
      const result = env.roles.shared.data.expire(space(), args.subarray(4), ttlMs);
      return dataStatus(env, "granary.shared_data_ttl", result);
    },
    "granary.shared_data_list": (args, answer) => {
      if (args.byteLength < 4) return STATUS.badArgument;
      const count = Math.min(view(args).getUint32(0, true) || Infinity, LIMITS.sharedListCount);
      const max = { count, bytes: LIMITS.sharedListBytes };
      answer.bytes = encodeKeys(env.roles.shared.data.list(space(), args.subarray(4), max));
      return STATUS.ok;
    },
    "granary.shared_data_add": (args, answer) => {
      if (args.byteLength < 8) return STATUS.badArgument;
      const { data } = env.roles.shared;
      const result = data.add(space(), args.subarray(8), view(args).getBigInt64(0, true));
      if (result === SHARED.done) {
        answer.bytes = new Uint8Array(12);
        answer.bytes.set(data.bytes.subarray(0, 8));
        view(answer.bytes).setUint32(8, data.cas, true);
      }
      return dataStatus(env, "granary.shared_data_add", result);
    },
  };
};
