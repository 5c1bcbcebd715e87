/** The differential cases of the group "resets", as Envoy played them. */
import { replayGroup } from "../replay.ts";

replayGroup("resets");
