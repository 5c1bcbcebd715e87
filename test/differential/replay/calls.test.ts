/** The differential cases of the group "calls", as Envoy played them. */
import { replayGroup } from "../replay.ts";

replayGroup("calls");
