/** What callouts need of their silo. */
import type { Clock } from "../../base/clock.ts";
import type { CalloutStats } from "../../metrics/catalogue.ts";
import type { ClusterSet } from "../../upstream/types.ts";
import type { TimerWheel } from "../timer-wheel.ts";

export interface CalloutServices {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly clusters: ClusterSet;
  readonly stats: CalloutStats;
}
