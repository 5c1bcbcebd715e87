/** Filters that pause a stream and act on it again from a tick. */
import { CONTEXT, type Program, type Step, variable } from "./program.ts";

/** Remembers the stream and asks for a tick. */
export const SLEEP: readonly Step[] = [
  ["save", 0, CONTEXT],
  ["proxy_set_tick_period_milliseconds", 1],
];

/** In the tick: does `step` to the stream that sleeps, and asks for no further one. */
export const onTick = (step: Step): Program => ({
  proxy_on_tick: {
    steps: [
      ["proxy_set_effective_context", variable(0)],
      step,
      ["proxy_set_tick_period_milliseconds", 0],
    ],
  },
});

/** Lets one direction of the stream that sleeps go on (`type` of proxy_continue_stream). */
export const wake = (type: number): Program => onTick(["proxy_continue_stream", type]);
