/** The differential cases of the group "bodies", as Envoy played them. */
import { replayGroup } from "../replay.ts";

replayGroup("bodies");
