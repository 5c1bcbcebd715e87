/** The differential cases of the group "returns", as Envoy played them. */
import { replayGroup } from "../replay.ts";

replayGroup("returns");
