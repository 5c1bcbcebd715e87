/** The differential cases of the group "properties", as Envoy played them. */
import { replayGroup } from "../replay.ts";

replayGroup("properties");
