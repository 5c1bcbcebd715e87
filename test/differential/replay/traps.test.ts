/** The differential cases of the group "traps", as Envoy played them. */
import { replayGroup } from "../replay.ts";

replayGroup("traps");
