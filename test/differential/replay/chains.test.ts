/** The differential cases of the group "chains", as Envoy played them. */
import { replayGroup } from "../replay.ts";

replayGroup("chains");
