/** The differential cases of the group "phases", as Envoy played them. */
import { replayGroup } from "../replay.ts";

replayGroup("phases");
