/** The differential cases of the group "basics", as Envoy played them. */
import { replayGroup } from "../replay.ts";

replayGroup("basics");
