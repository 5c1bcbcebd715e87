/**
 * A filter that pauses every request and lets them go on, each twice over, when one with `x-wake`
 * comes: `tick` at the next ticks, `queue` from items of a shared queue, `callout` by the answers to
 * callouts; a thousand at a time, ten times. Contexts that wait lie as u32 from 65536 on.
 */
import { pairsBlock } from "../../src/abi/pairs.ts";
import { CONTINUE, CTX, STOP, scriptedGuest } from "./scripted-guest.ts";

/** Streams that are woken at a time. */
const PER_WAKE = 1_000;
export const WAKES = 10;

const FIELDS = `
  (global $waiting (mut i32) (i32.const 0))
  (global $wakes (mut i32) (i32.const 0))
  (global $queue (mut i32) (i32.const 0))
  (func $slot (param $i i32) (result i32)
    (i32.add (i32.const 65536) (i32.mul (local.get $i) (i32.const 4))))
  (func $wake (local $left i32)
    (local.set $left (i32.const ${PER_WAKE}))
    (loop $next
      (if (i32.and (i32.gt_u (global.get $waiting) (i32.const 0)) (i32.gt_s (local.get $left) (i32.const 0)))
        (then
          (global.set $waiting (i32.sub (global.get $waiting) (i32.const 1)))
          (drop (call $proxy_set_effective_context (i32.load (call $slot (global.get $waiting)))))
          (drop (call $proxy_continue_stream (i32.const 0)))
          (drop (call $proxy_continue_stream (i32.const 0)))
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          (br $next)))))`;
const OUT = "(i32.const 3040)";
const NONE = "(i32.const 0) (i32.const 0)";
const ASK = [
  [":method", "GET"],
  [":path", "/"],
  [":authority", "a"],
] as const;

/** @param cluster whom the callout asks */
export function pausingGuest(cluster: string): Uint8Array {
  return scriptedGuest(
    (s) => {
      const pairs = Buffer.from(pairsBlock(ASK)).toString("latin1");
      const when = (letter: string, steps: string): string =>
        `(if (i32.eq (i32.load8_u (i32.load ${OUT})) (i32.const ${letter.charCodeAt(0)})) (then ${steps}))`;
      const enqueue = `(drop (call $proxy_enqueue_shared_queue (global.get $queue) ${s.slice("go")}))`;
      const ask = `(drop (call $proxy_http_call ${s.slice(cluster)} ${s.slice(pairs)} ${NONE} ${NONE} (i32.const 100000) ${OUT}))`;
      const wakes = [
        when("t", `(global.set $wakes (i32.const ${WAKES}))`),
        when("q", enqueue.repeat(WAKES)),
        when("c", ask.repeat(WAKES)),
      ].join(" ");
      const header = `(call $proxy_get_header_map_value (i32.const 0) ${s.slice("x-wake")} ${OUT} (i32.const 3044))`;
      const hold = `(i32.store (call $slot (global.get $waiting)) ${CTX})
        (global.set $waiting (i32.add (global.get $waiting) (i32.const 1)))`;
      return {
        proxy_on_configure: [
          s.setTick(20),
          `(drop (call $proxy_register_shared_queue ${s.slice("wake")} ${OUT}))`,
          `(global.set $queue (i32.load ${OUT}))`,
          "(i32.const 1)",
        ],
        proxy_on_request_headers: [
          `(if (result i32) (i32.eqz ${header}) (then ${wakes} ${CONTINUE}) (else ${hold} ${STOP}))`,
        ],
        proxy_on_tick: [
          "(if (global.get $wakes) (then (call $wake)",
          "(global.set $wakes (i32.sub (global.get $wakes) (i32.const 1)))))",
        ],
        proxy_on_queue_ready: [
          `(drop (call $proxy_dequeue_shared_queue (global.get $queue) ${OUT} (i32.const 3044)))`,
          "(call $wake)",
        ],
        proxy_on_http_call_response: ["(call $wake)"],
      };
    },
    { memory: '(memory (export "memory") 3)', fields: FIELDS },
  );
}
