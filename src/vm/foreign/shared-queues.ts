/**
 * What the ABI lacks for shared queues. Numbers are little-endian.
 *
 *   granary.queue_options   u32 queue, u8 notify, u8 full, u16 0, u32 items_max -> nothing
 *
 * notify: 0 = the last registrant is told of each item (the ABI's rule), 1 = every registrant in
 * turn, so that the silos share the work. full: 0 = the oldest item goes, 1 = the new one is
 * refused. items_max: 0 = the default.
 */
import { STATUS } from "../../abi/enums.ts";
import { queueStatus } from "../hostcalls/shared-status.ts";
import type { ForeignFamily } from "./types.ts";

const OPTIONS_BYTES = 12;

export const sharedQueueFunctions: ForeignFamily = (env) => ({
  "granary.queue_options": (args) => {
    const view = new DataView(args.buffer, args.byteOffset, args.byteLength);
    if (args.byteLength !== OPTIONS_BYTES || view.getUint16(6, true) !== 0) {
      return STATUS.badArgument;
    }
    const [notify, full] = [view.getUint8(4), view.getUint8(5)];
    if (notify > 1 || full > 1) return STATUS.badArgument;
    const result = env.roles.shared.queues.queues.setOptions(view.getUint32(0, true), {
      inTurn: notify === 1,
      refuses: full === 1,
      itemsMax: view.getUint32(8, true),
    });
    return queueStatus(env, "granary.queue_options", result);
  },
});
